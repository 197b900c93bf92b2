/** Limbo, as it ships: frames are taken, put away, drained and inherited, under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import { Frame } from '../../src/frames/frame.ts'
import { frameAt } from '../../src/frames/zone.ts'
import { LimboBatch } from '../../src/paging/batch.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { isPresent, markerOf, pfnOf, PRESENT, pteOf, TAKEN, WRITE } from '../../src/paging/pte.ts'
import type { Operation } from '../../src/testing/model.ts'
import { finds, holds } from './frames-models.ts'
import { access, ENDED, LOST, mapped, nothingIsLeft, reap, reuse, SOMEBODY, take } from './limbo-models.ts'
import { pagingWorld } from './paging-models.ts'

describe('limbo', () => {
  test('what is taken away is free in the end, and nobody uses it before', () => {
    const world = pagingWorld(2, 4)
    holds({
      name: 'limbo: take, shoot, drain',
      world,
      prepare: mapped(world, 1),
      threads: [[take(world, 1)], [access(world, 1)]],
      final: nothingIsLeft(world),
    })
  })

  test('the taker is killed anywhere: the reaper inherits what it had, and all of it comes back', () => {
    const world = pagingWorld(2, 4)
    holds({
      name: 'limbo, kill the taker',
      world,
      prepare: mapped(world, 1),
      threads: [[take(world, 1)], [access(world, 1)]],
      kill: [0],
      repair: reap(world),
      final: (state) => {
        // Before the taking began the page is the process's still.
        const isMapped = isPresent(state.cpu.load(world.entryAt(1)))
        state.assert(!isMapped || state.isDead(0), 'the page is taken')
        nothingIsLeft(world, isMapped ? 1 : 0)(state)
      },
    })
  })

  test('a process that is killed while others take its page holds up nobody, 2 preemptions', () => {
    const world = pagingWorld(2, 4)
    holds({
      name: 'limbo, kill the process',
      world,
      prepare: mapped(world, 1),
      threads: [[take(world, 1)], [access(world, 1)]],
      kill: [1],
      bounds: { preemptions: 2 },
      repair: (frames, dead) => {
        world.repair(frames, dead)
        frames.cpu.store(world.progressAt, ENDED)
      },
      final: nothingIsLeft(world),
    })
  })

  test('planted: a frame is freed at once, without an acknowledgement', () => {
    const world = pagingWorld(2, 4)
    finds(
      {
        name: 'limbo without limbo',
        world,
        prepare: mapped(world, 1),
        threads: [
          [
            (thread) => {
              const frames = world.frames(thread)
              const pte = thread.cpu.load(world.entryAt(1))
              thread.cpu.store(world.entryAt(1), 0)
              thread.cpu.add(world.at(1) + TlbState.gen, 2)
              frames.freeFrame(pfnOf(pte))
              reuse(world, frames)
            },
          ],
          [access(world, 1)],
        ],
      },
      SOMEBODY,
    )
  })

  test('planted: the reaper believes a batch that was not closed, and shoots nobody', () => {
    const world = pagingWorld(2, 4)
    finds(
      {
        name: 'open batch believed',
        world,
        prepare: mapped(world, 1),
        threads: [[take(world, 1)], [access(world, 1)]],
        kill: [0],
        repair: (frames, dead, thread) => {
          for (const cell of frames.unfinishedCellsOf(LimboBatch.signature, dead)) {
            frames.cpu.plainStore(cell + LimboBatch.state, 1)
          }
          reap(world)(frames, dead, thread)
        },
      },
      SOMEBODY,
    )
  })

  test('planted: nobody inherits', () => {
    const world = pagingWorld(2, 4)
    finds(
      {
        name: 'nobody inherits',
        world,
        prepare: mapped(world, 1),
        threads: [[take(world, 1)]],
        kill: [0],
        repair: reap(world, { limbo: false }),
        final: (state) => {
          nothingIsLeft(world, isPresent(state.cpu.load(world.entryAt(1))) ? 1 : 0)(state)
        },
      },
      LOST,
    )
  })

  test('planted: the frame is called the batch’s before it is in its list', () => {
    const world = pagingWorld(1, 4)
    const ownsFirst: Operation = (thread) => {
      const frames = world.frames(thread)
      const { cpu } = thread
      const batch = frames.allocCell(LimboBatch.signature, LimboBatch.sizeof)
      const pfn = pfnOf(cpu.load(world.entryAt(0)))
      cpu.compareExchange(world.entryAt(0), pteOf(pfn, PRESENT | WRITE), markerOf(pfn, TAKEN))
      cpu.plainStore(frameAt(world.geometry, pfn) + Frame.object, batch)
      cpu.store(world.entryAt(0), 0)
      cpu.plainStore(batch + LimboBatch.head, pfn)
      frames.freeFrame(pfn)
      cpu.plainStore(batch + LimboBatch.head, 0)
      frames.freeCell(batch)
    }
    finds(
      {
        name: 'owned before listed',
        world,
        prepare: mapped(world, 0),
        threads: [[ownsFirst]],
        kill: [0],
        repair: reap(world),
        final: (state) => {
          nothingIsLeft(world, isPresent(state.cpu.load(world.entryAt(0))) ? 1 : 0)(state)
        },
      },
      LOST,
    )
  })
})
