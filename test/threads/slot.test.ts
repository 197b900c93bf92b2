import { beforeEach, describe, expect, test } from 'vitest'
import { atomicsCpu, type Cpu } from '../../src/host/cpu.ts'
import { debugCpu } from '../../src/host/debug-cpu.ts'
import {
  CLAIMED,
  claimReserved,
  claimSlot,
  DEAD,
  FREE,
  isInState,
  MAKER_SLOT,
  moveState,
  REAPING,
  RUNNING,
  SLOT_COUNT,
  slotIndexOf,
  slotOf,
  stateOf,
  SUPERVISOR_SLOT,
  ThreadSlot,
  tidOf,
  tidOfState,
} from '../../src/threads/slot.ts'

const SLOTS_AT = 32
const NOW = 1_000_000
const NODE_ID = 7

let cpu: Cpu

beforeEach(() => {
  const buffer = new SharedArrayBuffer((SLOTS_AT + SLOT_COUNT * ThreadSlot.sizeof) * 4)
  cpu = debugCpu(atomicsCpu(buffer), buffer.byteLength)
})

const claim = (now = NOW) => claimSlot(cpu, SLOTS_AT, NODE_ID, now)
const stateAt = (tid: number) => cpu.load(slotOf(SLOTS_AT, tid) + ThreadSlot.state)

test('a claimer gets a slot of its own, in CLAIMED, with its thread id in it and the notes of the last owner gone', () => {
  const first = SLOTS_AT + 2 * ThreadSlot.sizeof
  for (const note of ['inKernel', 'records', 'park', 'bell'] as const) cpu.store(first + ThreadSlot[note], 99)

  const tid = claim()

  expect(slotOf(SLOTS_AT, tid)).toBe(first)
  expect(isInState(cpu, SLOTS_AT, tid, CLAIMED)).toBe(true)
  expect(cpu.load(first + ThreadSlot.threadId)).toBe(NODE_ID)
  for (const note of ['inKernel', 'records', 'park', 'bell'] as const)
    expect(cpu.load(first + ThreadSlot[note])).toBe(0)
})

test('254 threads may claim, each with another id, and the next gets 0', () => {
  const tids = Array.from({ length: 254 }, () => claim())

  expect(new Set(tids).size).toBe(254)
  expect(tids).not.toContain(0)
  expect(tids.map(slotIndexOf)).not.toContain(MAKER_SLOT)
  expect(tids.map(slotIndexOf)).not.toContain(SUPERVISOR_SLOT)
  expect(claim()).toBe(0)
})

test('the slots of the maker and the supervisor are claimed by name, once', () => {
  const maker = claimReserved(cpu, SLOTS_AT, MAKER_SLOT, 1, NOW)
  const supervisor = claimReserved(cpu, SLOTS_AT, SUPERVISOR_SLOT, 2, NOW)

  expect([slotIndexOf(maker), slotIndexOf(supervisor)]).toEqual([MAKER_SLOT, SUPERVISOR_SLOT])
  expect(maker).not.toBe(0)
  expect(claimReserved(cpu, SLOTS_AT, MAKER_SLOT, 1, NOW)).toBe(0)
})

test('a claim that nobody let run is taken back after 10 seconds, and not before', () => {
  const tids = Array.from({ length: 254 }, () => claim(NOW))

  expect(claim(NOW + 10_000)).toBe(0)
  const next = claim(NOW + 10_001)

  expect(slotIndexOf(next)).toBe(slotIndexOf(tids[0]))
  expect(next).not.toBe(tids[0])
  expect(isInState(cpu, SLOTS_AT, tids[0], CLAIMED)).toBe(false)
})

test('a claim also lapses when the clock wraps around in between', () => {
  const almost = 0x7fffffff - 5000
  Array.from({ length: 254 }, () => claim(almost))

  expect(claim((almost + 9000) | 0)).toBe(0)
  expect(claim((almost + 10_001) | 0)).not.toBe(0)
})

test('a slot that runs, is dead or is being reaped is nobody else’s, however old it is', () => {
  const tids = Array.from({ length: 254 }, () => claim(NOW))
  for (const tid of tids) moveState(cpu, SLOTS_AT, tid, CLAIMED, RUNNING)
  expect(claim(NOW + 1e6)).toBe(0)

  for (const [from, to] of [[RUNNING, DEAD], [DEAD, REAPING]] as const) {
    for (const tid of tids) moveState(cpu, SLOTS_AT, tid, from, to)
    expect(claim(NOW + 1e6)).toBe(0)
  }
  moveState(cpu, SLOTS_AT, tids[100], REAPING, FREE)
  expect(slotIndexOf(claim(NOW + 1e6))).toBe(slotIndexOf(tids[100]))
}) // prettier-ignore

test('each claim of a slot is a generation of its own, so an old id moves nothing', () => {
  const old = claim()
  for (const [from, to] of [[CLAIMED, RUNNING], [RUNNING, DEAD], [DEAD, REAPING], [REAPING, FREE]] as const)
    expect(moveState(cpu, SLOTS_AT, old, from, to)).toBe(true)

  const young = claim()

  expect(slotIndexOf(young)).toBe(slotIndexOf(old))
  expect(young).toBe(tidOf(slotIndexOf(old), (old >>> 8) + 1))
  expect(moveState(cpu, SLOTS_AT, old, CLAIMED, RUNNING)).toBe(false)
  expect(tidOfState(slotIndexOf(young), stateAt(young))).toBe(young)
  expect(stateOf(stateAt(young))).toBe(CLAIMED)
}) // prettier-ignore

describe('moveState', () => {
  test('moves only from the state that it names', () => {
    const tid = claim()

    expect(moveState(cpu, SLOTS_AT, tid, RUNNING, DEAD)).toBe(false)
    expect(isInState(cpu, SLOTS_AT, tid, CLAIMED)).toBe(true)
  })
})

test('a slot whose generations are used up is never claimed again', () => {
  const last = 0x3ffffe
  const at = SLOTS_AT + 2 * ThreadSlot.sizeof + ThreadSlot.state
  cpu.store(at, ((last - 1) << 3) | FREE)

  const tid = claim()
  expect(tid).toBe(tidOf(2, last))
  expect(tid).toBeLessThan(2 ** 30 - 1) // an id never looks like NOT_RECOVERABLE
  cpu.store(at, (last << 3) | FREE)

  expect(slotIndexOf(claim())).toBe(3)
})
