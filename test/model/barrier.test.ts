/** The barrier as it ships, under every interleaving. */

import { describe, test } from 'vitest'
import { arrivedIn } from '../../src/sync/barrier.ts'
import { isBroken, join, mend } from '../../src/sync/barrier-members.ts'
import { ABORTED, TIMED_OUT } from '../../src/sync/wait-record.ts'
import type { ModelThread, Operation } from '../../src/testing/model.ts'
import { EOWNERDEAD } from '../../src/words/errno.ts'
import {
  abandonsAndRetries,
  diesOrPasses,
  flag,
  FLAGS,
  holds,
  isFlagged,
  lastIsKilled,
  MEMBERS,
  mendsOrPasses,
  passes,
  phases,
  phasesUntilBroken,
  task,
  triesTwice,
} from './barrier-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('nobody passes before all have arrived, one of each phase is the serial one, nobody is left behind', () => {
  test('2 threads, 3 phases, in full', () => {
    holds({
      name: '2 x 3',
      parties: 2,
      threads: (world) => [phases(world, 2, 3), phases(world, 2, 3)],
      phases: 3,
    })
  })

  test('3 threads, 2 phases, 2 preemptions', () => {
    holds({
      name: '3 x 2',
      parties: 3,
      threads: (world) => [phases(world, 3, 2), phases(world, 3, 2), phases(world, 3, 2)],
      phases: 2,
      bounds: { preemptions: 2 },
    })
  })

  test('4 threads, 1 phase, 2 preemptions', () => {
    holds({
      name: '4 x 1',
      parties: 4,
      threads: (world) => [0, 1, 2, 3].map(() => phases(world, 4, 1)),
      phases: 1,
      bounds: { preemptions: 2 },
    })
  })

  test('4 threads at a barrier for 2: whoever is there makes a phase, 2 preemptions', () => {
    holds({
      name: '4 threads, 2 parties',
      parties: 2,
      threads: (world) => [0, 1, 2, 3].map(() => phases(world, 2, 1)),
      phases: 2,
      bounds: { preemptions: 2 },
    })
  })

  test('a sleep that ends for no reason ends no phase, in full', () => {
    holds({
      name: '2 x 2, spurious',
      parties: 2,
      threads: (world) => [phases(world, 2, 2), phases(world, 2, 2)],
      phases: 2,
      bounds: { spurious: 1 },
    })
  })

  test('an arrival whose time is up has not been, or has passed, in full', () => {
    holds({
      name: 'one tries twice',
      parties: 2,
      threads: (world) => [triesTwice(world, 2), phases(world, 2, 1)],
      phases: 1,
    })
  })

  test('two of three run out of time and come again, 2 preemptions', () => {
    holds({
      name: 'two of three try twice',
      parties: 3,
      threads: (world) => [triesTwice(world, 3), triesTwice(world, 3), phases(world, 3, 1)],
      phases: 1,
      bounds: { preemptions: 2, timeouts: 2 },
    })
  })
})

describe('tasks of one thread', () => {
  test('two tasks and a thread that blocks, in full', () => {
    holds({
      name: '2 tasks and a thread',
      parties: 3,
      threads: (world) => [{ tasks: [task(world, 1, 3), task(world, 2, 3)] }, phases(world, 3, 1)],
      phases: 1,
    })
  })

  test.each([
    ['aborts', ABORTED],
    ['runs out of time', TIMED_OUT],
  ])('one that %s has not been, or has passed, in full', (how, outcome) => {
    holds({
      name: `a task ${how} and comes again`,
      parties: 2,
      threads: (world) => [{ tasks: [abandonsAndRetries(world, 1, 2, outcome)] }, phases(world, 2, 1)],
      phases: 1,
    })
  })
})

test('without members: the last one is killed anywhere, and has ended the phase or not, in full', () => {
  holds(lastIsKilled())
})

describe('a death breaks it for those who live', () => {
  test('2 threads, 2 phases, one is killed anywhere, 3 preemptions', () => {
    holds({
      name: '2 x 2, kill 0',
      parties: 2,
      threads: (world) => [phasesUntilBroken(world, 2, 2), phasesUntilBroken(world, 2, 2)],
      members: [0, 1],
      kill: [0],
      bounds: { preemptions: 3 },
    })
  })

  test('3 threads, one is killed anywhere, 1 preemption', () => {
    holds({
      name: '3 x 1, kill 1',
      parties: 3,
      threads: (world) => [0, 1, 2].map(() => phasesUntilBroken(world, 3, 1)),
      members: [0, 1, 2],
      kill: [1],
      bounds: { preemptions: 1 },
    })
  })

  test('the thread of a task is killed anywhere, in full', () => {
    holds({
      name: 'a task, kill 0',
      parties: 2,
      threads: (world) => [{ tasks: [task(world, 1, 2)] }, phasesUntilBroken(world, 2, 1)],
      members: [0, 1],
      kill: [0],
    })
  })

  test('the only member is killed anywhere: what it leaves is as new, in full', () => {
    holds({
      name: 'an only member, kill 0',
      parties: 2,
      threads: (world) => [timed(world), looks(world)],
      members: [0],
      kill: [0],
    })
  })

  test('the only member is killed anywhere while another joins, 3 preemptions', () => {
    holds({
      name: 'an only member and a newcomer, kill 0',
      parties: 2,
      threads: (world) => [timed(world), joins(world)],
      members: [0],
      kill: [0],
      bounds: { preemptions: 3 },
    })
  })

  test('it is mended, and a third takes the place of the dead, 2 preemptions', () => {
    holds({
      name: '2 parties, kill 0, mend',
      parties: 2,
      threads: (world) => [phases(world, 2, 1), survivor(world), substitute(world)],
      members: [0, 1],
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })

  test('who slept through the mending hears that the phase broke, 2 preemptions', () => {
    holds({
      name: '3 parties, kill 0, mend at once',
      parties: 3,
      mayKill: (_thread, operation) => operation === 0,
      threads: (world) => [diesOrPasses(world), phasesUntilBroken(world, 3, 1), mendsOrPasses(world)],
      members: [0, 1, 2],
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })
})

/** Comes, and goes if nobody else does. */
function timed(world: SyncWorld): Operation[] {
  return [
    (thread) => {
      passes(world, thread, 2, 1)
    },
  ]
}

function joins(world: SyncWorld): Operation[] {
  return [
    (thread) => {
      join(world.lot(thread), world.lockAt + MEMBERS)
    },
    ...timed(world),
  ]
}

/** Looks at what is left when nobody is there. */
function looks(world: SyncWorld): Operation[] {
  return [
    {
      when: ({ cpu, isDead, isFinished }) =>
        (isFinished(0) && !isDead(0)) || (cpu.load(world.lockAt + MEMBERS) & 1) === 0,
      run: (thread) => {
        const lot = world.lot(thread)
        thread.assert(!isBroken(lot, world.lockAt), 'it is not broken')
        thread.assert(arrivedIn(lot, world.lockAt) === 0, 'nobody has arrived')
      },
    },
  ]
}

function survivor(world: SyncWorld): Operation[] {
  return [
    (thread) => {
      if (passes(world, thread, 2) === -EOWNERDEAD) flag(thread)
    },
    (thread) => {
      if (isFlagged(thread)) mendsAndPasses(world, thread)
    },
  ]
}

function substitute(world: SyncWorld): Operation[] {
  return [
    {
      when: ({ ghost, isFinished }) => ghost[FLAGS + 1] === 1 || isFinished(1),
      run: (thread) => {
        if (thread.ghost((ghost) => ghost[FLAGS + 1]) === 1) mendsAndPasses(world, thread)
      },
    },
  ]
}

function mendsAndPasses(world: SyncWorld, thread: ModelThread): void {
  mend(world.lot(thread), world.lockAt)
  thread.assert(passes(world, thread, 2) >= 0, 'it is mended')
}
