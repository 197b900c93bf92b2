import { expect, test } from 'vitest'
import { TlbState } from '../../src/paging/presence.ts'
import { HIGH, paging } from './world.ts'

const { gen, ack, online } = TlbState

test('a thread is online from its first access to the end of the run, and comes online again', () => {
  const { mmu, map, cpu, stateAt, endRun } = paging('lp64')
  map(HIGH.lp64)
  const isOnline = () => cpu.load(stateAt + online)

  expect(isOnline()).toBe(0)
  mmu.load8(HIGH.lp64)
  expect(isOnline()).toBe(1)
  endRun()
  expect(isOnline()).toBe(0)
  mmu.load8(HIGH.lp64)
  expect(isOnline()).toBe(1)
})

test('it acknowledges a generation at its next access, and not before', () => {
  const { mmu, map, cpu, stateAt } = paging('lp64')
  map(HIGH.lp64)
  mmu.load8(HIGH.lp64)

  cpu.add(stateAt + gen, 2)
  expect(cpu.load(stateAt + ack)).toBe(0)
  mmu.load8(HIGH.lp64)
  expect(cpu.load(stateAt + ack)).toBe(2)
})

test('what was translated stays good over a run in which nothing was shot down', () => {
  const { mmu, map, faults, endRun } = paging('ilp32')
  map(HIGH.ilp32)
  mmu.store32(HIGH.ilp32, 5)
  endRun()

  expect(mmu.load32(HIGH.ilp32)).toBe(5)
  expect(faults).toHaveLength(1)
})

test('a shot that comes while it is offline is seen when it comes online', () => {
  const { mmu, map, cpu, stateAt, table, endRun, faults } = paging('ilp32')
  map(HIGH.ilp32)
  mmu.store32(HIGH.ilp32, 5)
  endRun()
  cpu.store(table.find(HIGH.ilp32 / 4096), 0)
  cpu.add(stateAt + gen, 2)

  expect(mmu.load32(HIGH.ilp32)).toBe(0)
  expect(faults).toHaveLength(2)
})

test('at a safepoint the thread looks at what it is asked to, with nothing translated', () => {
  const { mmu, map, cpu, stateAt, presence } = paging('lp64')
  map(HIGH.lp64)
  mmu.load8(HIGH.lp64)
  let looks = 0
  presence.atSafepoint = () => {
    looks++
    expect(cpu.load(stateAt + ack)).toBe(2)
    if (looks > 1) throw new Error('asked to end')
  }

  mmu.load8(HIGH.lp64)
  expect(looks).toBe(0)
  cpu.add(stateAt + gen, 2)
  mmu.load8(HIGH.lp64)
  expect(looks).toBe(1)
  presence.goOffline()
  presence.goOffline()
  expect(() => mmu.load8(HIGH.lp64)).toThrow('asked to end')
})

test('a process that has ended is offline for ever', () => {
  const { mmu, map, cpu, stateAt, presence } = paging('lp64')
  map(HIGH.lp64)
  mmu.load8(HIGH.lp64)

  presence.retire()

  expect(() => mmu.load8(HIGH.lp64)).toThrow(expect.objectContaining({ code: 'ESRCH' }))
  expect(cpu.load(stateAt + online)).toBe(0)
})
