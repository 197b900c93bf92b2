/** Limbo, where several threads look through what is in it: under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import type { Frames } from '../../src/frames/frames.ts'
import { awaited, LimboBatch, sweep } from '../../src/paging/batch.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { isPresent } from '../../src/paging/pte.ts'
import type { Operation, Snapshot } from '../../src/testing/model.ts'
import { finds, holds } from './frames-models.ts'
import { LOST, mapped, nothingIsLeft, OLD, reuse, take, takeAway } from './limbo-models.ts'
import { pagingWorld, type PagingWorld } from './paging-models.ts'

describe('limbo, in several hands', () => {
  /** As take(), but does not wait: whoever comes next frees the rest. */
  const takeOnly =
    (world: PagingWorld, process: number, page = 0): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const limbo = world.limbo(frames)
      takeAway(world, thread, limbo, process, page)
      limbo.drain(true)
      reuse(world, frames)
    }

  /** As reap(), without waiting for processes. */
  const reapOnly = (world: PagingWorld) => (frames: Frames, dead: number) => {
    world.repair(frames, dead).drain(true)
    reuse(world, frames)
  }

  test('two take two pages of a process that is away, one of them killed anywhere, 1 preemption', () => {
    const world = pagingWorld(3, 4)
    holds({
      name: 'limbo, two takers, kill',
      world,
      prepare: (frames) => {
        world.populate(frames)
        world.map(frames, 2, OLD, 0)
        world.map(frames, 2, OLD, 1)
      },
      threads: [[takeOnly(world, 2, 0)], [takeOnly(world, 2, 1)], []],
      kill: [0],
      bounds: { preemptions: 1 },
      repair: reapOnly(world),
      final: (state) => {
        const mapped = [0, 1].filter((page) => isPresent(state.cpu.load(world.entryAt(2, page))))
        nothingIsLeft(world, mapped.length)(state)
      },
    })
  })

  const drainOnly =
    (world: PagingWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      world.limbo(frames).drain(true)
      reuse(world, frames)
    }

  test('two threads look through one batch, one of them killed anywhere, 1 preemption', () => {
    const world = pagingWorld(2, 4)
    holds({
      name: 'limbo, two drainers, kill',
      world,
      prepare: mapped(world, 1),
      threads: [[takeOnly(world, 1)], [drainOnly(world)]],
      kill: [1],
      bounds: { preemptions: 1 },
      repair: reapOnly(world),
      final: nothingIsLeft(world),
    })
  })

  test('planted: who looks through a batch does not take it from the others first', () => {
    const world = pagingWorld(3, 4)
    const takesNothing: Operation = (thread) => {
      const frames = world.frames(thread)
      for (const batch of frames.cellsOf(LimboBatch.signature)) {
        if (awaited(frames, world.processes, batch) >= 0) continue
        sweep(frames, batch, (pfn) => {
          frames.retireFrame(pfn)
          return true
        })
        if (frames.unpublishCell(batch) === 0) frames.freeCell(batch)
      }
      reuse(world, frames)
    }
    finds(
      {
        name: 'a batch in two hands',
        world,
        prepare: mapped(world, 2),
        threads: [[take(world, 2)], [takesNothing], []],
        final: nothingIsLeft(world),
      },
      /is not this thread's to free/,
    )
  })

  /**
   * A batch that nobody has to be waited for is freed, and its cell used again for one that process 1, which is online and
   * does not acknowledge, has to be waited for.
   */
  const twoBatchesInOneCell = (world: PagingWorld, drains: Operation) => ({
    world,
    prepare: (frames: Frames) => {
      world.populate(frames)
      world.map(frames, 0, OLD)
      world.map(frames, 1, OLD)
      frames.cpu.store(world.at(1) + TlbState.online, 1)
    },
    threads: [[takeOnly(world, 0), takeOnly(world, 1)], [drains]],
    final: (state: Snapshot) => {
      state.assert(world.inUse(state).length === 1, 'a frame is free that process 1 translates: lost')
    },
  })

  test('a batch is asked for what it is, though its cell is used again, 2 preemptions', () => {
    const world = pagingWorld(2, 4)
    holds({
      name: 'limbo, a cell used again',
      ...twoBatchesInOneCell(world, drainOnly(world)),
      bounds: { preemptions: 2 },
    })
  })

  test('planted: a batch is asked by its cell, and not by its generation', () => {
    const world = pagingWorld(2, 4)
    const asksTheCell: Operation = (thread) => {
      const frames = world.frames(thread)
      for (const batch of frames.cellsOf(LimboBatch.signature)) {
        if (awaited(frames, world.processes, batch) >= 0 || frames.unpublishCell(batch) < 0) continue
        sweep(frames, batch, (pfn) => {
          frames.retireFrame(pfn)
          return true
        })
        frames.freeCell(batch)
      }
      reuse(world, frames)
    }
    finds({ name: 'another batch in the same cell', ...twoBatchesInOneCell(world, asksTheCell) }, LOST)
  })
})
