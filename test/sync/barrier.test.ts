/** The word of a barrier: what a thread that lost its core for long takes for its own phase. */

import { expect, test } from 'vitest'
import { defaultAttachment } from '../../src/memory/inventory.ts'
import {
  arrivedIn,
  enter,
  initBarrier,
  outcomeOf,
  PARTIES_MAX,
  resultOf,
  SERIAL,
} from '../../src/sync/barrier.ts'
import { BUSY } from '../../src/sync/wait.ts'
import { SharedMemory } from '../../src/index.ts'

const { lot } = defaultAttachment()
const { cpu } = lot

function barrierFor(parties: number): number {
  const at = SharedMemory.default.alloc(64).bytes.byteOffset / 4
  initBarrier(cpu, at, parties)
  return at
}

test.each([2, 3, 8])('16,384 phases later it is another phase, with %d parties', (parties) => {
  const at = barrierFor(parties)
  const mine = enter(lot, at, parties, 0)
  const arrivals = 16_384 * parties

  for (let i = 1; i < arrivals; i++) enter(lot, at, parties, cpu.load(at))
  enter(lot, at, parties, cpu.load(at))

  expect(resultOf(mine, parties)).toBe(BUSY)
  expect(arrivedIn(lot, at)).toBe(1)
  expect(outcomeOf(lot, at, mine, cpu.load(at))).toBe(0)
})

test.each([1, 2, 3, 4, 65_535, 65_536, PARTIES_MAX])(
  'all of %d end the phase, and one fewer do not',
  (parties) => {
    const at = barrierFor(parties)
    cpu.store(at, parties - 1)

    expect(arrivedIn(lot, at)).toBe(parties - 1)
    const last = enter(lot, at, parties, cpu.load(at))

    expect(resultOf(last, parties)).toBe(SERIAL)
    expect(arrivedIn(lot, at)).toBe(0)
    expect(outcomeOf(lot, at, parties - 1, last)).toBe(0)
  },
)
