/**
 * Faults: what each drill must find. For the tests of the load tester: PAGEFRAME_STRESS_FAULT=1 puts one of these between a
 * drill and its primitive.
 */

import type { Channel, Semaphore } from 'pageframe'
import type { Lock } from './exclusion.ts'

/** How often it happens. */
const EVERY = 1000

export const faulty = {
  /** Now and then it does not wait. */
  lock(lock: Lock): Lock {
    let calls = 0
    let isHeld = false
    return {
      ...lock,
      lock() {
        isHeld = ++calls % EVERY !== 0
        return isHeld && lock.lock()
      },
      unlock() {
        if (isHeld) lock.unlock()
      },
    }
  },

  /** Now and then it lets somebody in without a permit. */
  semaphore(semaphore: Semaphore): Semaphore {
    let calls = 0
    return Object.assign(Object.create(semaphore) as Semaphore, {
      acquire() {
        if (++calls % EVERY !== 0) semaphore.acquire()
      },
      release() {
        semaphore.release()
      },
    })
  },

  /** Now and then a message is lost. */
  channel(channel: Channel): Channel {
    let calls = 0
    return Object.assign(Object.create(channel) as Channel, {
      read() {
        if (++calls % EVERY === 0) channel.read()?.[Symbol.dispose]()
        return channel.read()
      },
    })
  },
}
