/** The process table, as it ships: who claims a slot, who takes an EMBRYO over, and what each death in between leaves. */

import { describe, test } from 'vitest'
import {
  EMBRYO,
  EXITED,
  FREE,
  MachineHeader,
  ProcessSlot,
  RUNNING,
  ZOMBIE,
} from '../../src/machine/process-slot.ts'
import {
  bindSlot, claimSlot, dropClaim, fateOf, freeSlot, moveProcess, pidIn, stateIn, takeOver,
} from '../../src/machine/process-table.ts' // prettier-ignore
import type { Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { tidOf } from '../../src/threads/slot.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { finds, holds } from './verdicts.ts'

const PARENT = 0
const OTHER = 1
const CHILD = 3
const THREADS = 4

/** The message to the supervisor, what it starts the worker with, and the thread that both of its tasks take turns on. */
const ORDER = (THREADS + 1) * ThreadSlot.sizeof
const STARTED = ORDER + 1
const LOOP = ORDER + 2
const HEADER = ORDER + 32
const SLOT = HEADER + MachineHeader.sizeof
const table = { firstAt: SLOT, stride: ProcessSlot.sizeof, count: 1 }
const { state, thread } = ProcessSlot

/** Ghost words: how many threads have a claim to the slot; whether OTHER has had it. */
const OWNERS = 0
const GOT_IT = 1

function claim(self: ModelThread): number {
  const { cpu, tid } = self
  return claimSlot(cpu, { table, headerAt: HEADER, tid, parent: 1, name: '' })
}

/** Claims, and orders a worker. */
const spawns: Operation = (self) => {
  if (claim(self) < 0) return
  self.cpu.store(ORDER, pidIn(self.cpu.load(SLOT + state)))
}

/** Wants a slot as well; gives it back. */
const claimsAndFrees: Operation = (self) => {
  if (claim(self) < 0) return
  const owners = self.ghost((ghost) => ++ghost[OWNERS])
  self.assert(owners === 1, 'a slot is one thread’s')
  const { cpu } = self
  self.ghost((ghost) => (ghost[GOT_IT] = --ghost[OWNERS] + 1))
  self.assert(freeSlot(cpu, SLOT, pidIn(cpu.load(SLOT + state)), EMBRYO), 'what I claimed is mine')
}

/** The supervisor is one thread: an order and a death are dealt with one after the other. */
function inItsLoop(self: ModelThread, work: () => void): void {
  while (self.cpu.compareExchange(LOOP, 0, 1) !== 0) self.awaitChange(LOOP, 1)
  work()
  self.cpu.store(LOOP, 0)
}

/** Nothing was ordered, or the order was void. */
const NOBODY = -1

const readsOrder = (checks: boolean): Operation => ({
  when: ({ cpu, isFinished, isDead }) => cpu.load(ORDER) !== 0 || isFinished(PARENT) || isDead(PARENT),
  run: (self) => {
    inItsLoop(self, () => {
      const { cpu, tid } = self
      const pid = cpu.load(ORDER)
      const isOurs = pid !== 0 && (!checks || takeOver(cpu, SLOT, pid, tidOf(PARENT, 1), tid))
      cpu.store(STARTED, isOurs ? pid : NOBODY)
    })
  },
})

const begins: Operation = {
  when: ({ cpu }) => cpu.load(STARTED) !== 0,
  run: (self) => {
    const { cpu, tid } = self
    const pid = cpu.load(STARTED)
    if (pid === NOBODY) return
    self.assert(bindSlot(cpu, SLOT, pid, tid, 7), 'an order that was taken stands')
  },
}

const reaps = (self: ModelThread, dead: number): void => {
  inItsLoop(self, () => {
    const { cpu } = self
    const fate = fateOf(cpu, SLOT, dead)
    const pid = pidIn(cpu.load(SLOT + state))
    if (fate === 'claimed') dropClaim(cpu, SLOT)
    else if (fate === 'embryo') freeSlot(cpu, SLOT, pid, EMBRYO)
    const started = cpu.load(STARTED)
    if (dead !== tidOf(CHILD, 1) || started <= 0) return
    // Its worker is gone, whatever it had come to.
    if (!moveProcess(cpu, SLOT, started, EXITED, ZOMBIE)) moveProcess(cpu, SLOT, started, EMBRYO, ZOMBIE)
  })
}

function slotModel(name: string, more: Partial<Model>, checks = true): Model {
  return {
    name,
    words: SLOT + ProcessSlot.sizeof,
    init: (cpu) => {
      cpu.store(HEADER + MachineHeader.nextPid, 1)
    },
    threads: [[spawns], [claimsAndFrees], [readsOrder(checks)], [begins]],
    notes: (at) => at >= SLOT && at !== SLOT + state && at !== SLOT + thread,
    reaper: [reaps],
    bounds: { preemptions: 3, states: 4_000_000 },
    ...more,
  }
}

/** Whoever the slot is said to be, is; and nobody has it that is dead. */
function isWhole({ cpu, isDead, assert }: Snapshot): void {
  const word = cpu.load(SLOT + state)
  const owner = cpu.load(SLOT + thread)
  const its = stateIn(word)
  if (its === FREE) assert(owner === 0, 'a slot that is free is nobody’s')
  if (its === RUNNING)
    assert(owner === tidOf(CHILD, 1) && !isDead(CHILD), 'a process that runs has its thread')
  assert(its !== EXITED, 'what has exited becomes a zombie')
  if (its === EMBRYO) {
    // Ordered, and the supervisor has not come to it: it will.
    assert(cpu.load(ORDER) !== 0 && !isDead(PARENT), 'an EMBRYO has somebody who knows of it')
  }
}

describe('a slot of the process table', () => {
  test('is one thread’s, and the process that is ordered for it runs', () => {
    holds(slotModel('two claim one slot', { final: isWhole }))
  })

  test.each([
    ['its parent', PARENT],
    ['who wants it too', OTHER],
    ['the process itself', CHILD],
  ])(
    'a death of %s before any instruction leaves it whole',
    (_, killed) => {
      holds(slotModel(`two claim one slot, thread ${killed} is killed`, { kill: [killed], final: isWhole }))
    },
    120_000,
  )

  test('an order that is taken without a look at who gave it starts a process that nobody has', () => {
    finds(slotModel('orders of the dead', { kill: [PARENT] }, false), /an order that was taken stands/)
  }, 120_000)
})
