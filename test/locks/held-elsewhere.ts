/** A lock that another thread holds. */

import { Mutex } from 'pageframe'
import { Actor } from '../support.ts'

/** Another thread holds it until it is ended, or for so long. */
export async function heldElsewhere(mutex: Mutex, forMs = 60_000): Promise<Actor> {
  const other = await Actor.start()
  other.begin(
    ({ Mutex, tell }, handle, ms) => {
      const there = Mutex.from(handle)
      there.lock()
      tell('holds')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
      there.unlock()
      tell('released')
    },
    mutex,
    forMs,
  )
  await other.told('holds')
  return other
}
