/** The list of held mutexes, as it ships, with a death before every instruction: what a process holds is in it. */

import { describe, test } from 'vitest'
import { heldAddresses, HeldMutexes } from '../../src/machine/sync/held-mutexes.ts'
import type { Attachment } from '../../src/memory/attachment.ts'
import { lock, releaseDead, unlock } from '../../src/sync/mutex.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { Model, ModelThread, Operation } from '../../src/testing/model.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { atRest, enter, exclusion, leave } from './mutex-models.ts'
import { syncWorld, type SyncWorld } from './sync-world.ts'
import { finds, holds } from './verdicts.ts'

/** Nobody unlocks it any more: somebody waits for ever, or it is seen locked when all have gone. */
const LEFT = /deadlock|free in the end|hang|stuck/

interface Bugs {
  readonly notesLate?: true
  readonly clearsEarly?: true
}

describe('held mutexes', () => {
  const frameOf = (world: SyncWorld) => Math.ceil((world.lockAt + 32) / PAGE_WORDS)
  const wordOf = (world: SyncWorld) => world.scratch + 1

  /** What HeldMutexes asks of an attachment: one frame, which is all zero. */
  const attachmentOf = (world: SyncWorld, thread: Pick<ModelThread, 'cpu'>) =>
    ({
      cpu: thread.cpu,
      frames: { allocFrame: () => frameOf(world), own: () => undefined },
    }) as unknown as Attachment

  /** For the reaper, who would look at each of 511 places: beyond the first nothing was ever written. */
  const shortened = (world: SyncWorld, thread: ModelThread) => {
    const end = frameOf(world) * PAGE_WORDS + 4
    const plainLoad = (at: number) => (at < end ? thread.cpu.plainLoad(at) : 0)
    return attachmentOf(world, { cpu: { load: (at: number) => thread.cpu.load(at), plainLoad } as never })
  }

  /** A robust mutex at a virtual address that is its physical one, locked and unlocked twice. */
  const process =
    (world: SyncWorld, { notesLate, clearsEarly }: Bugs = {}): Operation =>
    (thread) => {
      const lot = world.lot(thread)
      const held = new HeldMutexes(attachmentOf(world, thread), wordOf(world), 0)
      held.reserve()
      for (let round = 0; round < 2; round++) {
        let place = notesLate === true ? 0 : held.note(world.lockAt * 4)
        enter(world, thread, lock(lot, world.lockAt, Infinity))
        if (notesLate === true) place = held.note(world.lockAt * 4)
        leave(world, thread)
        if (clearsEarly === true) held.clear(place)
        unlock(lot, world.lockAt)
        held.clear(place)
      }
    }

  /** Somebody whose death nobody waits for. */
  const other =
    (world: SyncWorld): Operation =>
    (thread) => {
      const lot = world.lot(thread)
      enter(world, thread, lock(lot, world.lockAt, Infinity))
      leave(world, thread)
      unlock(lot, world.lockAt)
    }

  const modelOf = (name: string, bugs: Bugs = {}): Model => {
    const world = syncWorld(2)
    const frameAt = frameOf(world) * PAGE_WORDS
    const isNote = world.base.notes as (at: number) => boolean
    return {
      name,
      ...world.base,
      words: frameAt + PAGE_WORDS,
      notes: (at) => at >= frameAt || at === wordOf(world) || isNote(at),
      kill: [0],
      bounds: { preemptions: 2 },
      threads: [[process(world, bugs)], [other(world)]],
      reaper: [
        (thread, dead) => {
          const lot = world.lot(thread)
          repairSync(lot, dead)
          for (const address of heldAddresses(shortened(world, thread), wordOf(world))) {
            releaseDead(lot, address / 4, dead)
          }
        },
      ],
      invariant: exclusion,
      final: (state) => {
        atRest(world, state)
      },
    }
  }

  test('killed anywhere, the process leaves no mutex locked, 2 preemptions', () => {
    holds(modelOf('held mutexes'))
  })

  test('planted: noted when it is locked', () => {
    finds(modelOf('noted late', { notesLate: true }), LEFT)
  })

  test('planted: forgotten before it is unlocked', () => {
    finds(modelOf('forgotten early', { clearsEarly: true }), LEFT)
  })
})
