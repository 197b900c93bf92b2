/**
 * Watched mutexes: of those who would wait for each other one is told, and nobody else is. The parts of Watch.take() that
 * other threads see are put together here: a try, the announcement with its search, the wait, and the lines of the ledger.
 */

import { describe, test } from 'vitest'
import { announce } from '../../src/locks/diagnostics/announce.ts'
import { searchLocked } from '../../src/locks/diagnostics/deadlock.ts'
import { withGraph } from '../../src/locks/diagnostics/graph.ts'
import { BLOCKED, EXCLUSIVE, HELD, Ledger, UNUSED } from '../../src/locks/diagnostics/ledger.ts'
import type { Attachment } from '../../src/memory/attachment.ts'
import { lock, markConsistent, OWNER_MASK, tryLock, unlock } from '../../src/sync/mutex.ts'
import type { Bounds, Model, ModelThread, Operation } from '../../src/testing/model.ts'
import { EOWNERDEAD } from '../../src/words/errno.ts'
import { graphWorld, type GraphWorld } from './lock-graph-models.ts'
import { finds, holds } from './verdicts.ts'

describe('a circle is found by whoever closes it, and only then', () => {
  test('2 threads in opposite order, 3 preemptions', () => {
    holds(modelOf({ name: 'opposite order', plans: ['+a +b', '+b +a'], bounds: { preemptions: 3 } }))
  })

  test('3 threads, each with the lock that the one before wants, 2 preemptions', () => {
    holds(modelOf({ name: 'round', plans: ['+a +b', '+b +c', '+c +a'], bounds: { preemptions: 2 } }))
  })

  test('2 threads that are never in each other’s way for ever, 3 preemptions', () => {
    holds(modelOf({ name: 'moving on', ...MOVING_ON }))
  })

  test('2 threads in opposite order, and one that takes one of the locks and moves on, 2 preemptions', () => {
    holds(modelOf({ name: 'and another', plans: ['+a +b', '+b +a', '+b'], bounds: { preemptions: 2 } }))
  })
})

describe('with a death anywhere', () => {
  test('2 threads in opposite order, one killed: the other goes on, 2 preemptions', () => {
    const shape = { name: 'opposite order', plans: ['+a +b', '+b +a'], bounds: { preemptions: 2 } }
    holds(modelOf({ ...shape, kill: [0] }))
  })
})

describe('planted', () => {
  test('a search before the wait is announced', () => {
    const searchesFirst: Announce = (attachment, ledger, what, line) => {
      const entry = ledger.add(UNUSED, line)
      const { circle } = withGraph(attachment, () => searchLocked(attachment, entry))
      withGraph(attachment, () => {
        ledger.change(entry, what)
      })
      return circle === undefined ? { entry } : { entry, circle: '' }
    }
    const shape = { name: 'searches first', plans: ['+a +b', '+b +a'], bounds: { preemptions: 2 } }
    finds(modelOf(shape, searchesFirst), /waits for ever/)
  })

  test('a search without the graph’s lock', () => {
    const searchesOutside: Announce = (attachment, ledger, what, line, report) => {
      const entry = ledger.add(UNUSED, line)
      withGraph(attachment, () => {
        ledger.change(entry, what)
      })
      const { circle } = searchLocked(attachment, entry)
      if (circle === undefined) return { entry }
      report('')
      return { entry, circle: '' }
    }
    finds(modelOf({ name: 'searches outside', ...MOVING_ON }, searchesOutside), /a circle was reported/)
  })
})

/** Never in each other's way for ever, though the one takes what the other has, and the other way round. */
const MOVING_ON = { plans: ['+a +b', '+b -b +a'], bounds: { preemptions: 3 } }

interface Shape {
  name: string
  /** What each thread locks (+) and unlocks (-), in order; then it gives back the rest. */
  plans: readonly string[]
  kill?: readonly number[]
  bounds: Bounds
}

type Announce = typeof announce

function modelOf({ name, plans, kill, bounds }: Shape, how: Announce = announce): Model {
  const world = graphWorld(plans.length, false, kill !== undefined)
  return {
    name: `watched, ${name}${kill === undefined ? '' : `, kill ${kill.join(' ')}`}`,
    ...world.base,
    kill,
    reaper: kill === undefined ? undefined : [world.reap],
    bounds,
    threads: plans.map((plan) => [takes(world, plan, how)]),
    final: ({ cpu, assert }) => {
      for (const at of world.locks) assert((cpu.load(at) & OWNER_MASK) === 0, 'no lock is held in the end')
    },
  }
}

/** Goes on until it is told of a circle. In one piece: a Ledger is JavaScript. */
function takes(world: GraphWorld, plan: string, how: Announce): Operation {
  return (thread) => {
    const attachment = world.attachment(thread)
    const ledger = new Ledger(attachment)
    const held: { index: number; entry: number }[] = []
    const givesBack = ({ index, entry }: (typeof held)[number]) => {
      thread.assert(unlock(world.lot(thread), world.locks[index]) === 0, 'unlock')
      ledger.remove(entry)
    }
    for (const [sign, letter] of plan.split(' ')) {
      const index = 'abc'.indexOf(letter)
      if (sign === '-') {
        const [hold] = held.splice(
          held.findIndex((each) => each.index === index),
          1,
        )
        givesBack(hold)
        continue
      }
      const entry = takesOne(world, thread, attachment, ledger, index, how)
      if (entry === undefined) break
      held.push({ index, entry })
    }
    held.forEach(givesBack)
  }
}

/** As Watch.take(). The line in the ledger; undefined if it would never end. */
function takesOne(
  world: GraphWorld,
  thread: ModelThread,
  attachment: Attachment,
  ledger: Ledger,
  index: number,
  how: Announce,
): number | undefined {
  const lot = world.lot(thread)
  const at = world.locks[index]
  const line = { lock: world.objects[index], generation: 1, mode: EXCLUSIVE, parent: 0, stack: '' }
  const repaired = (got: number) => got === 0 || (got === EOWNERDEAD && markConsistent(lot, at) === 0)
  if (repaired(tryLock(lot, at))) return ledger.add(HELD, { ...line, isEndless: false })
  const { entry, circle } = how(attachment, ledger, BLOCKED, { ...line, isEndless: true }, () => {
    wasSo(world, thread, index)
  })
  if (circle !== undefined) return undefined
  thread.assert(repaired(lock(lot, at, Infinity)), 'lock')
  ledger.change(entry, HELD)
  return entry
}

/** Follows the waits from a lock that this thread is told not to wait for, at one moment: they lead back to it. */
function wasSo(world: GraphWorld, thread: ModelThread, first: number): void {
  const then = world.copy(thread)
  const passed = new Set<number>()
  for (let at = world.locks[first]; !passed.has(at);) {
    passed.add(at)
    const holder = then.ownerOf(at)
    if (holder === thread.tid) return
    const awaited = world.awaitedBy(then, holder)
    thread.assert(awaited !== 0, 'a circle was reported, and somebody in it does not wait')
    at = awaited
  }
  thread.assert(false, 'a circle was reported, and it does not lead back')
}
