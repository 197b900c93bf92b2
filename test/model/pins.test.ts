/** Pins, as they ship, against those who free what is pinned, with a death before every instruction. */

import { describe, test } from 'vitest'
import { Frame } from '../../src/frames/frame.ts'
import type { Frames } from '../../src/frames/frames.ts'
import { frameAt } from '../../src/frames/zone.ts'
import type { Limbo } from '../../src/paging/limbo.ts'
import { Pins } from '../../src/paging/pins.ts'
import { isPresent, pfnOf } from '../../src/paging/pte.ts'
import type { Operation } from '../../src/testing/model.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { finds, holds } from './frames-models.ts'
import { mapped, nothingIsLeft, OLD, reuse, SOMEBODY, takeAway } from './limbo-models.ts'
import { CONTENT, pagingWorld, type PagingWorld } from './paging-models.ts'

describe('pins', () => {
  const OBJECT = 0 // whose page it is; threads: the window's, and the one that takes the page away
  const DONE = 5 // a word of process 0's entries

  type Window = (frames: Frames, pins: Pins, entry: number) => readonly number[] | undefined

  /** As it is done: publish, then look again. */
  const pinThenLook =
    (world: PagingWorld): Window =>
    (frames, pins, entry) => {
      const cells = pins.pin([{ pfn: pfnOf(entry), count: 1 }], world.at(0))
      if (typeof cells === 'number') return undefined
      if (frames.cpu.load(world.entryAt(OBJECT)) === entry) return cells
      pins.unpin(cells)
      return undefined
    }

  /** A view reaches the frame without any TLB. */
  const view =
    (world: PagingWorld, open: Window): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const pins = new Pins(frames)
      const entry = thread.cpu.load(world.entryAt(OBJECT))
      const cells = isPresent(entry) ? open(frames, pins, entry) : undefined
      if (cells !== undefined) {
        const seen = thread.cpu.exchange(pfnOf(entry) * PAGE_WORDS + CONTENT, OLD)
        thread.assert(seen === OLD, 'a view shows a frame that is somebody else’s')
        pins.unpin(cells)
      }
      thread.cpu.store(world.entryAt(0, DONE), 1)
    }

  const takePinned =
    (world: PagingWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const limbo = world.limbo(frames)
      takeAway(world, thread, limbo, OBJECT)
      const isPending = limbo.drain() > 0
      if (!isPending) reuse(world, frames)
      thread.awaitChange(world.entryAt(0, DONE), 0)
      if (!isPending) return
      thread.assert(limbo.drain() === 0, 'lost: a frame is pinned by nobody')
      reuse(world, frames)
    }

  const shape = (world: PagingWorld, open: Window) => ({
    world,
    prepare: (frames: Frames) => {
      world.populate(frames)
      world.map(frames, OBJECT, OLD)
    },
    threads: [[view(world, open)], [takePinned(world)]],
  })

  test('a frame that a view is pinned to stays what it is; when it is not, it is free', () => {
    const world = pagingWorld(2, 4, { pins: true })
    holds({
      name: 'pins against drain',
      ...shape(world, pinThenLook(world)),
      final: nothingIsLeft(world),
    })
  })

  test('the window’s thread is killed anywhere: its pins stand until its worker has exited, 2 preemptions', () => {
    const world = pagingWorld(2, 4, { pins: true })
    holds({
      name: 'pins, kill the window',
      ...shape(world, pinThenLook(world)),
      kill: [0],
      bounds: { preemptions: 2 },
      repair: (frames, dead) => {
        world.repair(frames, dead)
        new Pins(frames).releaseAll(world.at(0))
        frames.cpu.store(world.entryAt(0, DONE), 1)
      },
      final: nothingIsLeft(world),
    })
  })

  /** A process unmaps a page of its own while it has a view of it. */
  const unmapPinned =
    (world: PagingWorld, put: (limbo: Limbo, frames: Frames, pfn: number) => void): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const pins = new Pins(frames)
      const limbo = world.limbo(frames)
      const entry = thread.cpu.load(world.entryAt(0))
      const cells = pinThenLook(world)(frames, pins, entry) ?? []
      thread.cpu.store(world.entryAt(0), 0)
      put(limbo, frames, pfnOf(entry))
      thread.assert(limbo.drain() === 1, 'a frame that is pinned is pending')
      pins.unpin(cells)
      thread.assert(limbo.drain() === 0, 'lost: a frame is pinned by nobody')
      frames.drainRetired()
    }

  /** What a space's end does: all that it owns is free. */
  const teardown = (world: PagingWorld) => (frames: Frames, dead: number) => {
    const limbo = world.repair(frames, dead)
    new Pins(frames).releaseAll(world.at(0))
    const state = { cpu: frames.cpu }
    for (const pfn of world.inUse(state)) {
      const owner = frames.cpu.plainLoad(frameAt(world.geometry, pfn) + Frame.object)
      if (world.isOwned(state, pfn) && owner === world.at(0)) frames.retireFrame(pfn)
    }
    limbo.drain()
    frames.drainRetired()
  }

  test('a process that unmaps what it has a view of is killed anywhere: the frame is freed once', () => {
    const world = pagingWorld(1, 4, { pins: true })
    holds({
      name: 'put, kill',
      world,
      prepare: mapped(world, 0),
      threads: [[unmapPinned(world, (limbo, _frames, pfn) => limbo.put(pfn))]],
      kill: [0],
      repair: teardown(world),
      final: (state) => {
        const used = world.inUse(state)
        state.assert(used.length === 0, `a frame is lost: ${used.join()} in use`)
      },
    })
  })

  test('planted: the window looks first, and pins then', () => {
    const world = pagingWorld(2, 4, { pins: true })
    const looksFirst: Window = (_frames, pins, entry) => {
      const cells = pins.pin([{ pfn: pfnOf(entry), count: 1 }], world.at(0))
      return typeof cells === 'number' ? undefined : cells
    }
    finds({ name: 'pins without a second look', ...shape(world, looksFirst) }, SOMEBODY)
  })

  test('planted: who takes the frame looks for pins before it changes the entry', () => {
    const world = pagingWorld(2, 4, { pins: true })
    const looksFirst: Operation = (thread) => {
      const frames = world.frames(thread)
      const entry = thread.cpu.load(world.entryAt(OBJECT))
      if (new Pins(frames).isPinned(pfnOf(entry))) return
      thread.cpu.store(world.entryAt(OBJECT), 0)
      frames.freeFrame(pfnOf(entry))
      reuse(world, frames)
    }
    const { threads, ...rest } = shape(world, pinThenLook(world))
    finds({ name: 'pins looked for too early', ...rest, threads: [threads[0], [looksFirst]] }, SOMEBODY)
  })
})
