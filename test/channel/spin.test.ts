import { expect, test } from 'vitest'
import { spinForPeer, type Slips, type Supply } from '../../src/channel/spin.ts'
import { atomicsCpu } from '../../src/host/cpu.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { BUSY } from '../../src/sync/wait.ts'

const WORD = 0
const HINT = 1

/** A wait for `supply`; `changes` says whether the word has changed while it was spun on. Answers the turns of each spin. */
function spin(
  supply: Partial<Supply>,
  slips: Slips,
  changes: () => boolean,
): { result: number; spun: number[] } {
  const cpu = atomicsCpu(new SharedArrayBuffer(64))
  const spun: number[] = []
  const lot = {
    thread: { spinTurns: 1000, count: () => undefined },
    cpu: {
      load: (at: number) => cpu.load(at),
      plainLoad: (at: number) => cpu.plainLoad(at),
      plainStore: (at: number, value: number) => { cpu.plainStore(at, value) }, // prettier-ignore
      spinWhileEqual: (at: number, value: number, turns: number) => {
        spun.push(turns)
        return at === WORD && changes() ? value + 2 : value
      },
    },
    isOver: () => false,
  } as unknown as Lot
  return { result: spinForPeer(lot, supply as Supply, slips, WORD, HINT), spun }
}

test('what came just before the word was looked at is taken after one burst', () => {
  const { result, spun } = spin({ take: () => 7 }, { sinceVain: 1 }, () => false)

  expect(result).toBe(7)
  expect(spun).toHaveLength(1)
})

test('one wait in 16 slips; when more has come by then every wait does, until it is in vain', () => {
  const slips = { sinceVain: 1 }
  let more = false
  const slipped = () => spin({ take: () => 7, hasMore: () => more }, slips, () => true).spun.length === 2

  expect(Array.from({ length: 32 }, slipped).filter(Boolean)).toHaveLength(2)
  more = true
  for (let i = 0; i < 15; i++) slipped()
  expect(Array.from({ length: 10 }, slipped)).toEqual(new Array(10).fill(true))
  more = false
  expect([slipped(), slipped(), slipped()]).toEqual([true, false, false])
})

test('where nothing comes at all, it ends', () => {
  expect(spin({ take: () => BUSY }, { sinceVain: 1 }, () => false).result).toBe(BUSY)
})
