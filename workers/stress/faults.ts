/**
 * Faults: what each drill must find. For the tests of the load tester: PAGEFRAME_STRESS_FAULT puts one of these between a drill
 * and its primitive.
 *
 *   exclusion   after a while everybody is let in at once
 *   wakeup      after a while nobody is woken any more
 *   loss        now and then something gets lost: a message, a permit, the serial one of a phase, the notice of a death
 *   damage      now and then what is received is not what was sent
 */

import type { Channel, Condition, Mutex, Semaphore, UnlockToken } from 'pageframe'
import type { Lock } from './exclusion.ts'
import type { Meeting } from './phases.ts'
import type { ReadersOrWriter } from './readers.ts'

export type Fault = 'exclusion' | 'wakeup' | 'loss' | 'damage'

/** How often it happens, or after how long. */
const EVERY = 1000

/** True each time that it happens. */
function happens(): () => boolean {
  let calls = 0
  return () => ++calls % EVERY === 0
}

function afterAWhile(): () => boolean {
  let calls = 0
  return () => ++calls > EVERY
}

const NOT_HELD = { ownerDied: false } as UnlockToken

export function faultyLock(lock: Lock, fault: Fault): Lock {
  const isNow = afterAWhile()
  let isHeld = false
  return {
    ...lock,
    lock() {
      isHeld = fault !== 'exclusion' || !isNow()
      const ownerDied = isHeld && lock.lock()
      return fault !== 'loss' && ownerDied
    },
    unlock() {
      if (fault === 'wakeup' && isNow()) return
      if (isHeld) lock.unlock()
    },
  }
}

export function faultySemaphore(semaphore: Semaphore, fault: Fault): Semaphore {
  const isNow = fault === 'loss' ? happens() : afterAWhile()
  return Object.assign(Object.create(semaphore) as Semaphore, {
    acquire() {
      if (fault !== 'exclusion' || !isNow()) semaphore.acquire()
    },
    release() {
      if (fault === 'exclusion' || !isNow()) semaphore.release()
    },
  })
}

/** A message is lost, or its last byte is another. */
export function faultyChannel(channel: Channel, fault: Fault): Channel {
  const isNow = happens()
  return Object.assign(Object.create(channel) as Channel, {
    read() {
      const isFaulty = isNow()
      if (isFaulty && fault === 'loss') channel.read()?.[Symbol.dispose]()
      const message = channel.read()
      if (isFaulty && fault === 'damage' && message !== undefined)
        message.bytes[message.bytes.length - 1] ^= 1
      return message
    },
  })
}

/** A mutex and conditions that belong together. */
export function faultyBuffer(
  mutex: Mutex,
  conditions: readonly [Condition, Condition],
  fault: Fault,
): [Mutex, Condition, Condition] {
  const isNow = afterAWhile()
  const isOver = afterAWhile()
  let isHeld = false
  const faultyMutex = Object.assign(Object.create(mutex) as Mutex, {
    lock() {
      isHeld = fault !== 'exclusion' || !isNow()
      return isHeld ? mutex.lock() : NOT_HELD
    },
    unlock() {
      if (isHeld) mutex.unlock()
    },
  })
  const faulty = (condition: Condition) =>
    Object.assign(Object.create(condition) as Condition, {
      wait(held: UnlockToken) {
        if (isHeld) condition.wait(held)
      },
      notify() {
        return fault === 'wakeup' && isOver() ? 0 : condition.notify()
      },
    })
  return [faultyMutex, faulty(conditions[0]), faulty(conditions[1])]
}

/** Lets through whom it should not, or has no serial one. */
export function faultyBarrier(barrier: Meeting, fault: Fault): Meeting {
  const isNow = happens()
  return {
    broken: false,
    arrive() {
      if (!isNow()) return barrier.arrive()
      return fault === 'loss' && barrier.arrive() && false
    },
  }
}

/** Writes while others read. */
export function faultyRwLock(lock: ReadersOrWriter): ReadersOrWriter {
  const isNow = afterAWhile()
  let isHeld = false
  const write = {
    lock() {
      isHeld = !isNow()
      return isHeld ? lock.write.lock() : NOT_HELD
    },
    unlock() {
      if (isHeld) lock.write.unlock()
    },
  }
  return { read: lock.read, write, markConsistent: () => undefined }
}
