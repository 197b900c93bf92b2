/** Page tables, as they ship, that several threads link: the index of an object. With a death before every instruction. */

import { describe, test } from 'vitest'
import type { Frames } from '../../src/frames/frames.ts'
import { ILP32 } from '../../src/paging/addresses.ts'
import { repairLinks } from '../../src/paging/link.ts'
import { isPresent, pfnOf, PRESENT, pteOf } from '../../src/paging/pte.ts'
import { PageTable } from '../../src/paging/table.ts'
import type { Operation, Snapshot } from '../../src/testing/model.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { finds, holds } from './frames-models.ts'
import { LOST } from './limbo-models.ts'
import { pagingWorld, type PagingWorld } from './paging-models.ts'

/** The process slot whose first entry is the root of an index that everybody may link into. */
const OBJECT = 2
const FREE_FRAMES = 8

const tableOf = (world: PagingWorld, frames: Frames) =>
  new PageTable(frames, ILP32, world.entryAt(OBJECT), world.at(OBJECT))

/** Makes the tables that a page needs, and then finds what was made. */
const ensure =
  (world: PagingWorld, vpn: number): Operation =>
  (thread) => {
    const table = tableOf(world, world.frames(thread))
    const at = table.ensure(vpn)
    thread.assert(at > 0 && table.find(vpn) === at, 'lost: what was made is found again')
  }

/** Each table is linked once, and OWNED; no other frame is in use. */
const isWhole =
  (world: PagingWorld) =>
  (state: Snapshot): number => {
    let tables = 0
    let link = state.cpu.load(world.entryAt(OBJECT))
    for (let level = 0; isPresent(link); level++) {
      state.assert(world.isOwned(state, pfnOf(link)), 'what is linked is OWNED: lost')
      tables++
      if (level === ILP32.levels - 1) break
      link = state.cpu.load(pfnOf(link) * PAGE_WORDS)
    }
    state.assert(world.framesInUse(state) === tables, 'a frame is lost')
    return tables
  }

describe('tables', () => {
  test('two make the same tables: each is there once, 2 preemptions', () => {
    const world = pagingWorld(3, FREE_FRAMES)
    holds({
      name: 'tables, two linkers',
      world,
      threads: [[ensure(world, 0)], [ensure(world, 1)], []],
      bounds: { preemptions: 2 },
      final: (state) => {
        state.assert(isWhole(world)(state) === ILP32.levels, 'a table is lost')
      },
    })
  })

  test('one of them killed anywhere: what was linked stays, and nothing is lost, 1 preemption', () => {
    const world = pagingWorld(3, FREE_FRAMES)
    holds({
      name: 'tables, two linkers, kill',
      world,
      threads: [[ensure(world, 0)], [ensure(world, 1)], []],
      kill: [0],
      bounds: { preemptions: 1 },
      repair: (frames, dead) => {
        world.repair(frames, dead)
      },
      final: (state) => void isWhole(world)(state),
    })
  })

  test('planted: who loses follows its own table', () => {
    const world = pagingWorld(3, FREE_FRAMES)
    const blind: Operation = (thread) => {
      const frames = world.frames(thread)
      const { cpu } = thread
      const rootAt = world.entryAt(OBJECT)
      if (cpu.load(rootAt) !== 0) return
      const pfn = frames.allocFrame()
      frames.own(pfn, world.at(OBJECT))
      cpu.store(rootAt, pteOf(pfn, PRESENT))
    }
    finds(
      {
        name: 'tables by a store',
        world,
        threads: [[blind], [blind], []],
        final: (state) => void isWhole(world)(state),
      },
      LOST,
    )
  })

  test('planted: nobody owns what a dead linker has linked', () => {
    const world = pagingWorld(3, FREE_FRAMES)
    finds(
      {
        name: 'tables, links not repaired',
        world,
        threads: [[ensure(world, 0)], [], []],
        kill: [0],
        repair: (frames, dead) => {
          if (dead < 0) repairLinks(frames, dead)
          frames.repair(dead)
        },
        final: (state) => void isWhole(world)(state),
      },
      LOST,
    )
  })
})
