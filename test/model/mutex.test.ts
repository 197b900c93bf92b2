/** The mutex and the lot, as they ship, under every interleaving: with deaths and time-outs. */

import { describe, test } from 'vitest'
import type { ModelThread, ReaperOperation } from '../../src/testing/model.ts'
import type { Thread } from '../../src/threads/thread.ts'
import { FULL, holds, repair, timedSection } from './mutex-models.ts'
import type { SyncWorld } from './sync-world.ts'

describe('holders never overlap, and nobody sleeps for ever', () => {
  test('2 threads x 2 sections, in full', () => {
    holds({ threads: 2, sections: 2, bounds: FULL })
  })

  test('2 x 1 with hand-off after starving, in full', () => {
    holds({ threads: 2, sections: 1, handOff: true, bounds: FULL })
  })

  test('2 x 2 with hand-off and 4 preemptions', () => {
    holds({ threads: 2, sections: 2, handOff: true, bounds: { preemptions: 4 } })
  })

  test('3 x 1 with 3 preemptions', () => {
    holds({ threads: 3, sections: 1, bounds: { preemptions: 3 } })
  })

  test('2 x 2 with time-outs, 3 preemptions', () => {
    holds({ threads: 2, sections: 2, section: timedSection, bounds: { preemptions: 3, timeouts: 2 } })
  })

  test('3 x 1 with time-outs and hand-off, 2 preemptions', () => {
    holds({
      threads: 3,
      sections: 1,
      handOff: true,
      section: timedSection,
      bounds: { preemptions: 2, timeouts: 2 },
    })
  })

  test('3 threads, one of a crowd woken at a time, 2 preemptions', () => {
    holds({ threads: 3, sections: 1, first: 3, crowd: 0, bounds: { preemptions: 2 } })
  })

  test('3 threads, one of a crowd woken at a time, time-outs', () => {
    holds({
      threads: 3,
      sections: 1,
      first: 2,
      crowd: 0,
      section: timedSection,
      bounds: { preemptions: 2, timeouts: 1 },
    })
  })

  test('2 x 1 with spurious wake-ups, 3 preemptions', () => {
    holds({ threads: 2, sections: 1, bounds: { preemptions: 3, spurious: 1 } })
  })
})

describe('with a death between any two instructions, the lock is handed on with notice', () => {
  test('2 x 2, one thread killed anywhere, 3 preemptions', () => {
    holds({ threads: 2, sections: 2, kill: [0], bounds: { preemptions: 3 } })
  })

  test('2 x 1, killed anywhere, in full', () => {
    holds({ threads: 2, sections: 1, kill: [0], bounds: FULL })
  })

  test('2 x 1, killed anywhere, with hand-off, in full', () => {
    holds({ threads: 2, sections: 1, kill: [0], handOff: true, bounds: FULL })
  })

  // All run the same program: which of them dies makes no difference.
  test('3 x 1, any one killed, 2 preemptions', () => {
    holds({ threads: 3, sections: 1, kill: [0], bounds: { preemptions: 2 } })
  })

  test('3 x 1, one killed, time-outs, 2 preemptions', () => {
    holds({
      threads: 3,
      sections: 1,
      kill: [0],
      section: timedSection,
      bounds: { preemptions: 2, timeouts: 1 },
    })
  })

  test('3 threads, one of a crowd woken at a time, any of them killed, 2 preemptions', () => {
    for (const dead of [0, 1])
      holds({ threads: 3, sections: 1, first: 2, crowd: 0, kill: [dead], bounds: { preemptions: 2 } })
  })

  test('2 x 1, the reaper gives up and begins again anywhere', () => {
    holds({ threads: 2, sections: 1, kill: [0], reaper: twice, bounds: { preemptions: 3 } })
  })
})

/** What happens when the supervisor's Thread refuses to wait: the steps are run again from the first. */
function twice(world: SyncWorld): ReaperOperation {
  return (thread, dead) => {
    class GivesUp extends Error {}
    const { cpu, at, tid } = thread
    const impatient: Thread = {
      cpu,
      at,
      tid,
      spinTurns: 0,
      now: () => 0,
      deadlineIn: () => 0,
      isStarving: () => false,
      count: () => undefined,
      ring: (bell) => {
        thread.ring(bell)
      },
      sleep: () => {
        throw new GivesUp()
      },
      awaitChange: () => {
        throw new GivesUp()
      },
    }
    try {
      repair(world, impatient as ModelThread, dead)
    } catch (error) {
      if (!(error instanceof GivesUp)) throw error
    }
    repair(world, thread, dead)
  }
}
