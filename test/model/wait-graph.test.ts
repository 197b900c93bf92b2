/**
 * waitGraph() looks while locks move on: a cycle that it reports was there at one moment, and one that stays is reported.
 */

import { describe, test } from 'vitest'
import { cyclesOf, lastingCycles } from '../../src/inspect/wait-cycles.ts'
import { WaitSnapshot, type SeenWait } from '../../src/inspect/wait-snapshot.ts'
import { MutexObject } from '../../src/locks/mutex-kind.ts'
import { lock, unlock } from '../../src/sync/mutex.ts'
import { WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import type { Bounds, Model, ModelThread, Operation } from '../../src/testing/model.ts'
import { graphWorld, type GraphWorld, type Then } from './lock-graph-models.ts'
import { finds, holds } from './verdicts.ts'

/** How the cycles of two looks become those that are reported. */
type Report = typeof lastingCycles

describe('cycles of waits', () => {
  test('two that lock in opposite order: no cycle is reported that was not there, and none is missed, 3 preemptions', () => {
    holds(
      modelOf({ name: 'opposite order', plans: ['+a +b -b -a', '+b +a -a -b'], bounds: { preemptions: 3 } }),
    )
  })

  test('two that are never in each other’s way for ever, 3 preemptions', () => {
    holds(modelOf({ name: 'moving on', ...MOVING_ON, bounds: { preemptions: 3 } }))
  })

  test('one whose next wait has the ticket of the last one, in another bucket, 3 preemptions', () => {
    holds(modelOf({ name: 'the same ticket', ...SAME_TICKET, bounds: { preemptions: 3 } }))
  })
})

describe('planted', () => {
  test('one look is taken for a moment', () => {
    const oneLook: Report = (first, again) => {
      again()
      return cyclesOf(first)
    }
    finds(modelOf({ name: 'one look', ...MOVING_ON, bounds: { preemptions: 3 } }, oneLook), /was not/)
  })

  test('waits are told apart by record, time and ticket, and not by what they are for', () => {
    const keyOf = (cycle: SeenWait[]) =>
      cycle.map(({ record, ticket, since }) => [record, ticket, since]).join()
    const byTicket: Report = (first, again) => {
      const later = cyclesOf(again()).map(keyOf)
      return cyclesOf(first).filter((cycle) => later.includes(keyOf(cycle)))
    }
    finds(modelOf({ name: 'by ticket', ...SAME_TICKET, bounds: { preemptions: 2 } }, byTicket), /was not/)
  })
})

const MOVING_ON = { plans: ['+a +b -b -a', '+b -b +a -a'] }
/** a and b are in one bucket of the lot, c in the other. */
const SAME_TICKET = { plans: ['+a +b -b +c -c -a', '+c +b -b +a -a -c'] }

// ── the model ─────────────────────────────────────────────────────────────────────────────────────────────────────

interface Shape {
  name: string
  /** What each thread locks (+) and unlocks (-), in order. */
  plans: readonly string[]
  bounds: Bounds
}

function modelOf({ name, plans, bounds }: Shape, report: Report = lastingCycles): Model {
  const world = graphWorld(plans.length + 1, true)
  const lockers = plans.map((_, index) => index)
  return {
    name: `wait graph, ${name}`,
    ...world.base,
    bounds,
    threads: [
      ...plans.map((plan) => [...plan.split(' ').map((step) => takes(world, step)), isThrough]),
      [
        (thread) => {
          looks(world, thread, report)
        },
        {
          when: ({ isAsleep, isFinished }) => lockers.every((each) => isAsleep(each) || isFinished(each)),
          run: (thread) => {
            const areThrough = thread.ghost((ghost) => ghost[0]) === plans.length
            const found = looks(world, thread, report)
            thread.assert(found === (areThrough ? 0 : 1), 'they wait for each other, and it is not reported')
            const lot = world.lot(thread)
            for (const at of world.locks) lot.endWaits(at, at + 1)
          },
        },
      ],
    ],
  }
}

/** `+a` locks the first mutex, `-a` unlocks it; a wait that is ended has none. */
function takes(world: GraphWorld, [sign, letter]: string): Operation {
  const at = world.locks['abc'.indexOf(letter)]
  return (thread) => {
    const lot = world.lot(thread)
    if (sign === '+') lock(lot, at, Infinity)
    else unlock(lot, at)
  }
}

const isThrough: Operation = (thread) => {
  thread.ghost((ghost) => ghost[0]++)
}

/** Looks, and claims that what is reported was so between its two looks. Returns how many cycles there are. */
function looks(world: GraphWorld, thread: ModelThread, report: Report): number {
  const attachment = world.attachment(thread)
  const look = () => new WaitSnapshot(attachment).waits
  let then: Then | undefined
  const cycles = report(look(), () => {
    then = world.copy(thread)
    return look()
  })
  for (const cycle of cycles)
    cycle.forEach((wait, i) => {
      if (then !== undefined) wasSo(thread, then, wait, cycle[(i + 1) % cycle.length])
    })
  return cycles.length
}

function wasSo(thread: ModelThread, then: Then, { record, lock: { byte } }: SeenWait, next: SeenWait): void {
  const at = byte / 4 + MutexObject.raw
  const waited =
    then.word(record + WaitRecord.state) === WAITING && then.word(record + WaitRecord.key1) === at
  thread.assert(waited, 'a wait of a cycle was not')
  thread.assert(then.ownerOf(at) === next.thread.id, 'a hold of a cycle was not')
}
