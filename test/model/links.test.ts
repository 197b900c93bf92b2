/** The link protocol, as it ships, against others who link, and against those who take, with a death before every instruction. */

import { describe, test } from 'vitest'
import { Frame, OWNED, withKind } from '../../src/frames/frame.ts'
import { flagsOf, frameAt, setFlags } from '../../src/frames/zone.ts'
import { LimboBatch } from '../../src/paging/batch.ts'
import { linkFrame, repairLinks } from '../../src/paging/link.ts'
import { isPresent, markerOf, pfnOf, PRESENT, pteOf, TAKEN } from '../../src/paging/pte.ts'
import type { Operation, Snapshot } from '../../src/testing/model.ts'
import { finds, holds } from './frames-models.ts'
import { LOST, nothingIsLeft, takeAway } from './limbo-models.ts'
import { pagingWorld, type PagingWorld } from './paging-models.ts'

describe('links', () => {
  const OBJECT = 2 // the process slot whose first entry stands for an index that everybody may link into

  /** As storage makes a page: whoever is first. */
  const link =
    (world: PagingWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const pfn = frames.allocFrame(true)
      if (pfn < 0) return
      linkFrame(frames, pfn, world.entryAt(OBJECT), 0, pteOf(pfn, PRESENT), world.at(OBJECT), 0)
    }

  const oneOrNone = (world: PagingWorld) => (state: Snapshot) => {
    const entry = state.cpu.load(world.entryAt(OBJECT))
    nothingIsLeft(world, isPresent(entry) ? 1 : 0)(state)
    if (isPresent(entry)) state.assert(world.isOwned(state, pfnOf(entry)), 'what is linked is OWNED: lost')
  }

  test('two link into one entry, each killed anywhere: one frame is in it, or none, and none is lost, 2 preemptions', () => {
    const world = pagingWorld(3, 4)
    holds({
      name: 'link, two linkers, kill',
      world,
      prepare: world.populate,
      threads: [[link(world)], [link(world)], []],
      kill: [0, 1],
      bounds: { preemptions: 2 },
      repair: (frames, dead) => {
        world.repair(frames, dead)
      },
      final: oneOrNone(world),
    })
  })

  const takeAndDrain =
    (world: PagingWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const limbo = world.limbo(frames)
      takeAway(world, thread, limbo, OBJECT)
      thread.assert(frames.drainRetired() === 0, 'lost: a frame is waited for, and nobody has it')
    }

  test('a page is taken while it is being linked, each killed anywhere, 2 preemptions', () => {
    const world = pagingWorld(3, 4)
    holds({
      name: 'link and take, kill',
      world,
      prepare: world.populate,
      threads: [[link(world)], [takeAndDrain(world)], []],
      kill: [0, 1],
      bounds: { preemptions: 2 },
      repair: (frames, dead) => {
        world.repair(frames, dead)
        frames.drainRetired()
      },
      final: oneOrNone(world),
    })
  })

  test('planted: a frame is owned before it is linked', () => {
    const world = pagingWorld(3, 4)
    const ownsFirst: Operation = (thread) => {
      const frames = world.frames(thread)
      const pfn = frames.allocFrame(true)
      frames.own(pfn, world.at(OBJECT))
      const before = thread.cpu.compareExchange(world.entryAt(OBJECT), 0, pteOf(pfn, PRESENT))
      if (before !== 0) frames.freeFrame(pfn)
    }
    finds(
      {
        name: 'owned before linked',
        world,
        prepare: world.populate,
        threads: [[ownsFirst], [], []],
        kill: [0],
        repair: (frames, dead) => {
          world.repair(frames, dead)
        },
        final: oneOrNone(world),
      },
      LOST,
    )
  })

  test('planted: the reaper frees what was linked and not yet owned', () => {
    const world = pagingWorld(3, 4)
    finds(
      {
        name: 'links not repaired',
        world,
        prepare: world.populate,
        threads: [[link(world)], [], []],
        kill: [0],
        repair: (frames, dead) => {
          world.repair(frames, dead, { links: false })
        },
        final: oneOrNone(world),
      },
      LOST,
    )
  })

  test('planted: the reaper does not ask whether the entry names the frame', () => {
    const world = pagingWorld(3, 4)
    finds(
      {
        name: 'notes believed',
        world,
        prepare: world.populate,
        threads: [[link(world)], [link(world)], []],
        kill: [0],
        bounds: { preemptions: 3 },
        repair: (frames, dead) => {
          for (const pfn of frames.floatingOf(dead)) {
            const frame = frameAt(world.geometry, pfn)
            if (frames.cpu.plainLoad(frame + Frame.link) !== 0) frames.ownFor(pfn, world.at(OBJECT))
          }
          frames.repair(dead)
        },
        final: oneOrNone(world),
      },
      LOST,
    )
  })

  test('planted: a frame is taken before its linker has owned it', () => {
    const world = pagingWorld(3, 4)
    const doesNotWait: Operation = (thread) => {
      const frames = world.frames(thread)
      const { cpu } = thread
      const entry = cpu.load(world.entryAt(OBJECT))
      if (!isPresent(entry)) return
      const batch = frames.allocCell(LimboBatch.signature, LimboBatch.sizeof)
      const pfn = pfnOf(entry)
      if (cpu.compareExchange(world.entryAt(OBJECT), entry, markerOf(pfn, TAKEN)) !== entry) return
      cpu.plainStore(frameAt(world.geometry, pfn) + Frame.object, batch)
      cpu.store(world.entryAt(OBJECT), 0)
      setFlags(frames, pfn, withKind(flagsOf(frames, pfn), OWNED))
      frames.freeFrame(pfn)
      frames.freeCell(batch)
    }
    finds(
      {
        name: 'taken while FLOATING',
        world,
        prepare: world.populate,
        threads: [[link(world)], [doesNotWait], []],
        final: oneOrNone(world),
      },
      /lost|did not allocate|error/,
    )
  })

  test('planted: links are repaired after the frames', () => {
    const world = pagingWorld(3, 4)
    finds(
      {
        name: 'links repaired too late',
        world,
        prepare: world.populate,
        threads: [[link(world)], [], []],
        kill: [0],
        repair: (frames, dead) => {
          frames.repair(dead)
          repairLinks(frames, dead)
        },
        final: oneOrNone(world),
      },
      LOST,
    )
  })
})
