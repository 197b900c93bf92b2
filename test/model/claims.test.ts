/** Claims of thread slots, as they ship: they are granted, renewed, given up, and lapse, all at the same time. */

import { describe, test } from 'vitest'
import type { Model, Operation } from '../../src/testing/model.ts'
import {
  CLAIMED,
  claimSlot,
  FREE,
  giveUpClaim,
  grantClaim,
  isInState,
  moveState,
  OWN_PORT,
  renewClaim,
  RUNNING,
  slotIndexOf,
  ThreadSlot,
} from '../../src/threads/slot.ts'
import { finds, holds } from './verdicts.ts'

const SLOTS = 4 // two are reserved
const TIDS = SLOTS * ThreadSlot.sizeof
/** The first claims at 0 ms, and perhaps renews at 6,000; the second comes when the first claim may have lapsed, or not. */
const CLAIMED_AT = [0, 11_000]
const RENEWED_AT = [6_000, 17_000]

/** What became of a claimer: a ghost each. */
const WAITS = 0
const RUNS = 1
const GAVE_UP = 2

/** As awaitAdmission(), with patience that may end at any time. */
const claims =
  (who: number, givesUp = giveUpClaim): Operation =>
  (thread) => {
    const { cpu } = thread
    const become = (what: number) => {
      thread.ghost((ghost) => (ghost[who] = what))
    }
    const tid = claimSlot(cpu, 0, who + 1, CLAIMED_AT[who])
    cpu.store(TIDS + who, tid)
    for (let time = 0; !isInState(cpu, 0, tid, RUNNING); time++) {
      const goesOn = time === 0 && thread.choose(2) === 1 && renewClaim(cpu, 0, tid, RENEWED_AT[who])
      if (!goesOn && givesUp(cpu, 0, tid)) {
        become(GAVE_UP)
        return
      }
    }
    become(RUNS)
  }

/** The supervisor; each message of its own accord, so that they come in any order. */
const grants = (who: number, grant = grantClaim): Operation => ({
  when: ({ cpu, isDead }) => cpu.load(TIDS + who) !== 0 || isDead(who),
  run: ({ cpu }) => {
    const tid = cpu.load(TIDS + who)
    if (tid !== 0) grant(cpu, 0, tid, OWN_PORT)
  },
})

const model = (name: string, threads: Model['threads'], kill: readonly number[] = []): Model => ({
  name: `claims, ${name}`,
  words: TIDS + 2,
  threads,
  kill,
  final: ({ cpu, ghost, assert }) => {
    const tids = [cpu.load(TIDS), cpu.load(TIDS + 1)]
    tids.forEach((tid, who) => {
      if (ghost[who] === RUNS) assert(isInState(cpu, 0, tid, RUNNING), 'who runs has its slot')
      if (ghost[who] !== GAVE_UP) return
      assert(!isInState(cpu, 0, tid, RUNNING), 'who has given up was granted nothing')
      assert(!isInState(cpu, 0, tid, CLAIMED), 'who has given up claims nothing')
    })
    const bothRun = ghost[0] === RUNS && ghost[1] === RUNS
    assert(!bothRun || slotIndexOf(tids[0]) !== slotIndexOf(tids[1]), 'each has a slot of its own')
    if (kill.length === 0) assert(ghost[0] !== WAITS && ghost[1] !== WAITS, 'nobody waits for ever')
  },
})

describe('claims of thread slots', () => {
  test('two claim, and each is granted it, in full', () => {
    holds(model('two', [[claims(0)], [claims(1)], [grants(0)], [grants(1)]]))
  })

  test('the first is killed anywhere: the second has its slot, or another, in full', () => {
    holds(model('kill the first', [[claims(0)], [claims(1)], [grants(0)], [grants(1)]], [0]))
  })

  test('planted: who gives up keeps the claim', () => {
    const keeps: typeof giveUpClaim = (cpu, slotsAt, tid) => !isInState(cpu, slotsAt, tid, RUNNING)
    finds(model('kept', [[claims(0, keeps)], [claims(1)], [grants(0)], [grants(1)]]), /has given up/)
  })

  test('planted: who gives up does not look whether it was granted', () => {
    const leaves: typeof giveUpClaim = (cpu, slotsAt, tid) => {
      moveState(cpu, slotsAt, tid, CLAIMED, FREE)
      return true
    }
    finds(
      model('not looked', [[claims(0, leaves)], [claims(1)], [grants(0)], [grants(1)]]),
      /granted nothing/,
    )
  })

  test('planted: a grant by a plain decision', () => {
    const stores: typeof grantClaim = (cpu, slotsAt, tid) => {
      if (!isInState(cpu, slotsAt, tid, CLAIMED)) return false
      const at = slotsAt + slotIndexOf(tid) * ThreadSlot.sizeof + ThreadSlot.state
      cpu.store(at, (cpu.load(at) & ~7) | RUNNING)
      return true
    }
    finds(model('stored', [[claims(0)], [claims(1)], [grants(0, stores)], [grants(1)]]), /granted nothing/)
  })
})
