/** A lot and threads that only say what they would do: they ring nobody, and whoever would have to wait for a word fails. */

import { atomicsCpu, type Cpu } from '../../src/host/cpu.ts'
import { debugCpu } from '../../src/host/debug-cpu.ts'
import { Lot } from '../../src/sync/lot.ts'
import { Bucket } from '../../src/sync/wait-record.ts'
import { ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { alignUp } from '../../src/words/bits.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'

const SLOTS = 4
export const BUCKETS = 4
export const BUCKETS_AT = SLOTS * ThreadSlot.sizeof
const CHUNKS_AT = alignUp(BUCKETS_AT + BUCKETS * Bucket.sizeof, PAGE_WORDS)

export interface Lots {
  readonly cpu: Cpu
  /** The words that were rung. */
  readonly rung: number[]
  /** The lot as thread 0 ... 3 sees it, by instructions of its own if it has some. */
  readonly lotOf: (index: number, its?: Cpu) => Lot
}

export function lots(): Lots {
  const buffer = new SharedArrayBuffer((CHUNKS_AT + SLOTS * PAGE_WORDS) * 4)
  const cpu = debugCpu(atomicsCpu(buffer), buffer.byteLength)
  const rung: number[] = []
  const lotOf = (index: number, its = cpu) =>
    new Lot(
      {
        cpu: its,
        at: index * ThreadSlot.sizeof,
        tid: tidOf(index, 1),
        spinTurns: 0,
        sleep: () => false,
        ring: (at) => void rung.push(at),
        awaitChange: () => {
          throw new Error('there is nobody who could change it')
        },
        now: () => 0,
        deadlineIn: (ms) => ms,
        isStarving: () => false,
        count: () => undefined,
      },
      {
        bucketsAt: BUCKETS_AT,
        bucketCount: BUCKETS,
        slotsAt: 0,
        slotCount: SLOTS,
        more: () => CHUNKS_AT + index * PAGE_WORDS,
      },
    )
  return { cpu, rung, lotOf }
}
