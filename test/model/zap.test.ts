/**
 * munmap and mprotect of a private page, as they ship, against a truncation that takes the same page away, with a death of
 * either before every instruction.
 *
 *   thread 0   the process: unmaps its page, or hides it and shows it again
 *   thread 1   takes the page, as when an object is cut whose private copies go with it
 */

import { test } from 'vitest'
import { kindOf, RETIRED } from '../../src/frames/frame.ts'
import type { Frames } from '../../src/frames/frames.ts'
import { flagsOf } from '../../src/frames/zone.ts'
import { isMarker, isPresent, pfnOf, TAKEN } from '../../src/paging/pte.ts'
import type { PageTable } from '../../src/paging/table.ts'
import type { Kernel } from '../../src/space/kernel.ts'
import { framesOwnedBy } from '../../src/frames/owned.ts'
import { unmapEntry } from '../../src/space/unmap-object.ts'
import { Zapper } from '../../src/space/zap.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { finds, holds } from './frames-models.ts'
import { pagingWorld, type PagingWorld } from './paging-models.ts'

const CONTENT = 1
const RW = 3

/** The Zapper of process 0, whose only page has its entry in the process slot. */
function zapperOf(world: PagingWorld, thread: ModelThread): Zapper {
  const frames = world.frames(thread)
  const { cpu } = thread
  const table = {
    visit: (_from: number, _to: number, visitor: (at: number, vpn: number) => void) => {
      if (cpu.load(world.entryAt(0)) !== 0) visitor(world.entryAt(0), 0)
    },
  }
  const kernel = { attachment: { cpu, frames, thread }, pins: { hasOwn: false }, zeroFrame: 0 }
  return new Zapper(kernel as unknown as Kernel, world.at(0), table as unknown as PageTable)
}

const unmaps =
  (world: PagingWorld): Operation =>
  (thread) => {
    zapperOf(world, thread).unmap(0, 1)
  }

const hidesAndShows =
  (world: PagingWorld): Operation =>
  (thread) => {
    const zapper = zapperOf(world, thread)
    zapper.protect(0, 1, 0, false)
    zapper.protect(0, 1, RW, false)
    const entry = thread.cpu.load(world.entryAt(0))
    thread.assert(entry === 0 || isPresent(entry) || isMarker(entry, TAKEN), 'a page is shown again, or gone')
  }

/** The object's lock, and whether an area of the process maps it: words of "process" 1. */
const lockAt = (world: PagingWorld) => world.entryAt(1, 3)
const mappedAt = (world: PagingWorld) => world.entryAt(1, 4)

function withLock(world: PagingWorld, { cpu }: ModelThread, work: () => void): void {
  const at = lockAt(world)
  while (cpu.compareExchange(at, 0, 1) !== 0) cpu.spinWhileEqual(at, 1, 1)
  work()
  cpu.store(at, 0)
}

const takes =
  (world: PagingWorld): Operation =>
  (thread) => {
    const frames = world.frames(thread)
    const limbo = world.limbo(frames)
    const volley = limbo.open()
    if (typeof volley === 'number') throw new Error('lost: no memory')
    const kernel = { attachment: { cpu: thread.cpu, frames } } as unknown as Kernel
    withLock(world, thread, () => {
      frames.enterKernel()
      const isMapped = thread.cpu.load(mappedAt(world)) === 1
      if (isMapped && unmapEntry(kernel, world.at(0), world.entryAt(0), volley)) volley.shoot(0)
      frames.leaveKernel()
      volley.close()
    })
    limbo.drain(true)
    frames.drainRetired()
  }

/** Frames in use are those that the entry names. */
const nothingIsLost =
  (world: PagingWorld) =>
  (state: Snapshot): void => {
    const { cpu } = state
    const entry = state.isDead(0) ? 0 : cpu.load(world.entryAt(0))
    const used = world
      .inUse(state)
      .filter((pfn) => kindOf(flagsOf({ cpu, geometry: world.geometry }, pfn)) !== RETIRED)
    const named = entry === 0 ? [] : [pfnOf(entry)]
    state.assert(!isMarker(entry, TAKEN), 'lost: nobody takes the page any more')
    state.assert(used.join() === named.join(), `lost: ${used.join()} are in use, ${named.join()} mapped`)
  }

const repair =
  (world: PagingWorld) =>
  (frames: Frames, dead: number, thread: ModelThread): void => {
    const limbo = world.repair(frames, dead)
    limbo.drain(true)
    if ((dead & 0xff) === 0) {
      // As teardown does: when the area is gone nobody takes the space's pages any more.
      withLock(world, thread, () => {
        thread.cpu.store(mappedAt(world), 0)
      })
      for (const pfn of framesOwnedBy(frames, world.at(0))) frames.retireFrame(pfn)
    }
    limbo.drain(true)
    frames.drainRetired()
  }

const shape = (first: (world: PagingWorld) => Operation) => {
  const world = pagingWorld(2, 4)
  return {
    world,
    prepare: (frames: Frames) => {
      world.populate(frames)
      world.map(frames, 0, CONTENT)
      frames.cpu.store(mappedAt(world), 1)
    },
    threads: [[first(world)], [takes(world)]],
    repair: repair(world),
    final: nothingIsLost(world),
  }
}

test('a page that is unmapped while it is taken is freed once', { timeout: 60_000 }, () => {
  holds({ name: 'zap: unmap against take', ...shape(unmaps) })
})

test('a page that is hidden and shown while it is taken is there or gone', { timeout: 60_000 }, () => {
  holds({ name: 'zap: protect against take', ...shape(hidesAndShows) })
})

test.each([0, 1])(
  'thread %i is killed anywhere: the page is freed all the same',
  { timeout: 120_000 },
  (kill) => {
    holds({ name: `zap: unmap, kill ${kill}`, ...shape(unmaps), kill: [kill], bounds: { preemptions: 2 } })
    holds({
      name: `zap: protect, kill ${kill}`,
      ...shape(hidesAndShows),
      kill: [kill],
      bounds: { preemptions: 2 },
    })
  },
)

test('planted: an entry that is emptied by a store, whatever it has become', { timeout: 60_000 }, () => {
  const storing =
    (world: PagingWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const entry = thread.cpu.load(world.entryAt(0))
      if (!isPresent(entry)) return
      thread.cpu.store(world.entryAt(0), 0)
      frames.freeFrame(pfnOf(entry))
    }
  finds({ name: 'zap by a store', ...shape(storing) }, /lost|freed|claims|owned|kind/)
})
