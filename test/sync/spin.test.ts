import { expect, test } from 'vitest'
import { atomicsCpu } from '../../src/host/cpu.ts'
import type { Lot } from '../../src/sync/lot.ts'
import { RecordSpins } from '../../src/sync/record-spins.ts'
import { spinFor, spinForSignal } from '../../src/sync/spin.ts'
import { BUSY, type Waitable } from '../../src/sync/wait.ts'

const AT = 0
const HINT = 1
const MOST = 10_000

/** A lot whose Cpu counts the turns that were spun, and something that is to be had after so many. */
function world() {
  const cpu = atomicsCpu(new SharedArrayBuffer(64))
  let spun = 0
  const counting = Object.create(cpu, {
    load: { value: (at: number) => cpu.load(at) },
    plainLoad: { value: (at: number) => cpu.plainLoad(at) },
    plainStore: {
      value: (at: number, value: number) => {
        cpu.plainStore(at, value)
      },
    },
    spinWhileEqual: {
      value: (_at: number, value: number, turns: number) => {
        spun += turns
        return value
      },
    },
  }) as typeof cpu
  const thread = { spinTurns: MOST, count: () => undefined }
  const lot = { cpu: counting, thread, isOver: () => false } as unknown as Lot
  return {
    /** One wait for something that takes so many turns. Answers what was spun, and whether that sufficed. */
    wait: (turns: number): { spun: number; taken: boolean } => {
      spun = 0
      const what = { take: () => (spun >= turns ? 0 : BUSY) } as unknown as Waitable
      const taken = spinFor(lot, what, AT, HINT) !== BUSY
      return { spun, taken }
    },
  }
}

test('where spinning pays, a budget that became too short grows until it suffices', () => {
  const { wait } = world()
  for (let i = 0; i < 32; i++) expect(wait(40).taken).toBe(true)
  const tries = Array.from({ length: 8 }, () => wait(4000).taken)
  expect(tries[0]).toBe(false)
  expect(tries.at(-1)).toBe(true)
})

test('where it does not, next to nothing is spun, and one try in 64 asks whether times are better', () => {
  const { wait } = world()
  for (let i = 0; i < 70; i++) wait(Infinity)
  const spun = Array.from({ length: 640 }, () => wait(Infinity).spun)
  expect(spun.filter((turns) => turns >= MOST)).toHaveLength(10)
  expect(Math.min(...spun)).toBeLessThan(100)
  expect(spun.filter((turns) => turns < 100)).toHaveLength(630)
})

test('what comes within the time that a sleep would take is always spun for, whatever has been', () => {
  const { cpu, lot, spun } = counting()
  const never = { take: () => BUSY } as unknown as Waitable
  for (let i = 0; i < 100; i++) spinForSignal(lot, never, AT, HINT)
  const before = spun()
  const soon = { take: () => (spun() - before >= 4000 ? 0 : BUSY) } as unknown as Waitable

  expect(spinForSignal(lot, soon, AT, HINT)).toBe(0)
  expect(cpu.load(AT)).toBe(0)
})

test('a notification that never comes soon is spun for now and then only, and one that does is soon spun for again', () => {
  const { lot, spun, setAfter } = counting()
  const spins = new RecordSpins()
  const wait = (turns: number) => {
    const before = spun()
    setAfter(before + turns)
    const seen = spins.spin(lot.thread, AT, 0)
    return { spun: spun() - before, came: seen !== 0 }
  }
  const first = Array.from({ length: 64 }, () => wait(Infinity).spun)
  for (let i = 0; i < 2048; i++) wait(Infinity)
  const idle = Array.from({ length: 1024 }, () => wait(Infinity).spun)
  const busy = Array.from({ length: 512 }, () => wait(2000).came)

  expect(first.filter((turns) => turns > 1000).length).toBeLessThanOrEqual(5)
  expect(idle.filter((turns) => turns > 1000).length).toBeLessThanOrEqual(5)
  expect(Math.max(...idle)).toBeGreaterThanOrEqual(8 * MOST)
  expect(busy.slice(-64).every(Boolean)).toBe(true)
})

/** A Cpu that counts the turns that were spun; the word differs after so many of them. */
function counting() {
  const cpu = atomicsCpu(new SharedArrayBuffer(64))
  let turned = 0
  let changesAfter = Infinity
  const double = Object.create(cpu, {
    load: { value: () => 0 },
    plainLoad: { value: (at: number) => cpu.plainLoad(at) },
    plainStore: {
      value: (at: number, value: number) => {
        cpu.plainStore(at, value)
      },
    },
    spinWhileEqual: {
      value: (_at: number, value: number, turns: number) => {
        turned += turns
        return turned >= changesAfter ? value + 1 : value
      },
    },
  }) as typeof cpu
  const thread = { cpu: double, spinTurns: MOST, count: () => undefined }
  return {
    cpu: double,
    lot: { cpu: double, thread, isOver: () => false } as unknown as Lot,
    spun: () => turned,
    setAfter: (turns: number) => {
      changesAfter = turns
    },
  }
}
