/** What threads wait for and nobody holds, in a memory whose locks are watched: phases, countdowns, events. */

import { Barrier } from '../barrier.ts'
import { Latch } from '../latch.ts'
import type { AsyncWait, Wait } from '../lockable.ts'
import { ResetEvent } from '../reset-event.ts'
import { readWait, watchAs, watchOf } from './watched.ts'

/** Who arrives last, and is told so, has not waited: the others have. */
class WatchedBarrier extends Barrier {
  override arrive(wait?: Wait): boolean {
    let isSerial = false
    watchOf(this).pass(
      () => false,
      () => {
        isSerial = super.arrive(wait)
      },
      () => !isSerial,
    )
    return isSerial
  }

  override async arriveAsync(wait?: AsyncWait): Promise<boolean> {
    let isSerial = false
    await watchOf(this).passAsync(
      true,
      async () => {
        isSerial = await super.arriveAsync(wait)
      },
      () => !isSerial,
    )
    return isSerial
  }
}

class WatchedLatch extends Latch {
  override wait(wait?: Wait): void {
    const { read } = readWait('Latch.wait()', wait)
    watchOf(this).pass(
      () => super.tryWait(),
      () => {
        super.wait(read)
      },
    )
  }

  override async waitAsync(wait?: AsyncWait): Promise<void> {
    await watchOf(this).passAsync(!super.tryWait(), () => super.waitAsync(wait))
  }
}

class WatchedResetEvent extends ResetEvent {
  override wait(wait?: Wait): void {
    const { read } = readWait('ResetEvent.wait()', wait)
    watchOf(this).pass(
      () => super.tryWait(),
      () => {
        super.wait(read)
      },
    )
  }

  override async waitAsync(wait?: AsyncWait): Promise<void> {
    await watchOf(this).passAsync(true, () => super.waitAsync(wait))
  }
}

watchAs('Barrier', Barrier, WatchedBarrier)
watchAs('Latch', Latch, WatchedLatch)
watchAs('ResetEvent', ResetEvent, WatchedResetEvent)
