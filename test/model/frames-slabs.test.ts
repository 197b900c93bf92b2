/** Slabs, whose cells are claimed without a lock, as they ship, under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import { Frames } from '../../src/frames/frames.ts'
import { openCache } from '../../src/frames/slab-table.ts'
import { addSlab, claimCell, RETIRED_CELL } from '../../src/frames/slab.ts'
import type { Operation, Snapshot } from '../../src/testing/model.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { framesWorld, type FramesWorld } from '../frames/model-world.ts'
import { CELL_WORDS, CONTENT, finds, holds, KIND } from './frames-models.ts'

describe('slabs', () => {
  const withSlab = (frames: Frames) => {
    const cache = openCache(frames, KIND, CELL_WORDS, false)
    const pfn = frames.allocRun(PAGE_SIZE, { keepContents: true })
    addSlab(frames, cache, pfn)
  }
  /** Claims, checks that it is fresh, builds, publishes, ends. Says in the ghosts whether it got one. */
  const live =
    (world: FramesWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const at = claimCell(frames, 0, 0)
      if (at === 0) {
        thread.ghost((ghost) => ++ghost[0])
        return
      }
      thread.assert(thread.cpu.load(at + CONTENT) === 0, 'a new cell is all zero')
      thread.cpu.store(at + CONTENT, thread.tid)
      frames.publishCell(at)
      thread.assert(frames.isLive(at, frames.generationOf(at), KIND), 'a published cell is live')
      thread.assert(thread.cpu.load(at + CONTENT) === thread.tid, 'a cell has one builder')
      thread.assert(frames.unpublishCell(at) === 0, 'nobody else ended it')
      frames.freeCell(at)
    }
  const cellsOf = (world: FramesWorld, { cpu }: Snapshot) => {
    const slab = world.geometry.reservedFrames * 1024
    return [cpu.load(slab), cpu.load(slab + CELL_WORDS)]
  }

  test('two threads build and end cells of one slab, each killed anywhere', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'slab, 2 threads, kill',
      world,
      prepare: withSlab,
      threads: [[live(world), live(world)], [live(world)]],
      kill: [0, 1],
      final: (state) => {
        state.assert(state.ghost[0] === 0, 'two cells are enough for two threads')
        for (const status of cellsOf(world, state)) {
          state.assert(
            status === 0 || (status < 0 && (state.isDead(0) || state.isDead(1))),
            `status ${status}`,
          )
        }
      },
    })
  })

  /** One of the two cells is taken for good. */
  const withOneCell = (frames: Frames) => {
    withSlab(frames)
    frames.publishCell(claimCell(frames, 0, 0))
  }
  const noHintIsWrong = (world: FramesWorld) => (state: Snapshot) => {
    const looksFull = state.cpu.load(world.geometry.tableAt + world.geometry.reservedFrames * 8 + 2)
    const isFull = cellsOf(world, state).every((status) => status !== 0)
    state.assert(looksFull === 0 || isFull, 'a cell is free, and the slab looks full')
  }

  test('two threads and one cell: a hint that says full never hides a free cell for ever, deaths included', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'slab, 2 threads, 1 cell, full hint, kill',
      world,
      prepare: withOneCell,
      threads: [[live(world)], [live(world), live(world)]],
      kill: [0, 1],
      final: noHintIsWrong(world),
    })
  })

  test('three threads and two cells, 2 preemptions', () => {
    const world = framesWorld(3, 4)
    holds({
      name: 'slab, 3 threads, 2 cells, full hint',
      world,
      prepare: withSlab,
      threads: [[live(world)], [live(world)], [live(world)]],
      bounds: { preemptions: 2 },
      final: noHintIsWrong(world),
    })
  })

  test('planted: a thread that takes the slab for full and does not look again hides free cells', () => {
    const world = framesWorld(3, 4)
    const { reservedFrames, tableAt } = world.geometry
    const hint = tableAt + reservedFrames * 8 + 2
    const looksOnce: Operation = (thread) => {
      const slab = reservedFrames * 1024
      const full = [slab, slab + CELL_WORDS].every((at) => thread.cpu.load(at) !== 0)
      if (full) thread.cpu.store(hint, 1)
    }
    finds(
      {
        name: 'looks full, no second look',
        world,
        prepare: withSlab,
        threads: [[live(world)], [live(world)], [looksOnce]],
        bounds: { preemptions: 3 },
        final: (state) => {
          state.assert(state.cpu.load(hint) === 0, 'all cells are free, and the slab looks full')
        },
      },
      /looks full/,
    )
  })

  test('planted: a cell that is freed before it is zeroed shows its old contents', () => {
    const world = framesWorld(2, 4)
    const freesFirst: Operation = (thread) => {
      const at = claimCell(world.frames(thread), 0, 0)
      if (at === 0) return
      thread.cpu.store(at + CONTENT, thread.tid)
      thread.cpu.store(at, 0)
      thread.cpu.store(at + CONTENT, 0)
    }
    finds(
      {
        name: 'status 0 before the zeroes',
        world,
        prepare: withSlab,
        threads: [[freesFirst], [live(world)]],
      },
      /all zero|one builder/,
    )
  })

  /** Two live cells, whose CONTENT is the word that says so too. */
  const withLives = (frames: Frames) => {
    const cache = openCache(frames, KIND, CELL_WORDS, false, CONTENT)
    addSlab(frames, cache, frames.allocRun(PAGE_SIZE, { keepContents: true }))
    for (let i = 0; i < 2; i++) {
      const at = claimCell(frames, 0, 0)
      frames.cpu.store(at + CONTENT, 1)
      frames.publishCell(at)
    }
  }
  const endsAll =
    (world: FramesWorld, end: (frames: Frames) => void): Operation =>
    (thread) => {
      end(world.frames(thread))
      const slab = world.geometry.reservedFrames * 1024
      for (const at of [slab, slab + CELL_WORDS]) {
        thread.assert(
          thread.cpu.load(at) >= 0 && thread.cpu.load(at + CONTENT) === 0,
          'nothing lives any more',
        )
      }
    }
  const ending = (name: string, end: (frames: Frames) => void) => {
    const world = framesWorld(2, 4)
    return {
      name,
      world,
      prepare: withLives,
      threads: [[endsAll(world, end)], [endsAll(world, end)]],
      kill: [0, 1],
    }
  }

  test('everything is ended by two threads at once, each killed anywhere: behind it nothing lives, by status or by life', () => {
    holds(
      ending('all cells end, twice, kill', (frames) => {
        frames.endAll()
      }),
    )
  })

  test('planted: a status that says the end before the life does', () => {
    finds(
      ending('status first', (frames) => {
        for (const { at } of frames.allCells()) {
          frames.cpu.store(at, RETIRED_CELL)
          frames.cpu.store(at + CONTENT, 0)
        }
      }),
      /nothing lives any more/,
    )
  })

  test('a slab that is being added is linked or its frames are free, wherever its thread dies', () => {
    const world = framesWorld(2, 4)
    const add: Operation = (thread) => {
      const frames = world.frames(thread)
      const at = frames.allocCell(KIND, CELL_WORDS)
      if (at > 0) frames.freeCell(at)
    }
    holds({
      name: 'two threads add slabs, kill',
      world,
      threads: [[add], [add]],
      kill: [0, 1],
      bounds: { preemptions: 2 },
    })
  })
})
