/** The grace period, as it ships, under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import { Frames } from '../../src/frames/frames.ts'
import { openCache } from '../../src/frames/slab-table.ts'
import { addSlab, claimCell } from '../../src/frames/slab.ts'
import type { ModelThread, Operation } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { framesWorld, type FramesWorld } from '../frames/model-world.ts'
import { CELL_WORDS, CONTENT, finds, holds, KIND } from './frames-models.ts'

describe('the grace period', () => {
  const POINTER = 4 // a counter word of slot 0 that nobody uses: what points at the object
  const pointerAt = (world: FramesWorld) => world.geometry.slotsAt + POINTER
  const VALUE = 77

  const withObject = (world: FramesWorld) => (frames: Frames) => {
    const cache = openCache(frames, KIND, CELL_WORDS, false)
    addSlab(frames, cache, frames.allocRun(PAGE_SIZE, { keepContents: true }))
    const at = frames.allocCell(KIND, CELL_WORDS)
    frames.cpu.store(at + CONTENT, VALUE)
    frames.publishCell(at)
    frames.cpu.store(pointerAt(world), at)
  }
  const walk =
    (world: FramesWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      frames.enterKernel()
      const at = thread.cpu.load(pointerAt(world))
      if (at !== 0) thread.assert(thread.cpu.load(at + CONTENT) === VALUE, 'a reader sees a freed record')
      frames.leaveKernel()
    }
  /** Frees what is retired as soon as it may, waiting for the reader in slot 0. */
  const drainAll = (frames: Frames, thread: ModelThread) => {
    for (;;) {
      if (frames.drainRetired() === 0) return
      const seen = thread.cpu.load(inKernelOfReader)
      if ((seen & 1) === 1) thread.awaitChange(inKernelOfReader, seen)
    }
  }
  const inKernelOfReader = ThreadSlot.inKernel
  const takeAway =
    (world: FramesWorld, end: (frames: Frames, at: number, thread: ModelThread) => void): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const at = thread.cpu.load(pointerAt(world))
      thread.cpu.store(pointerAt(world), 0)
      end(frames, at, thread)
      // Somebody else uses the cell for something else at once.
      const next = claimCell(frames, 0, 0)
      if (next !== 0) thread.cpu.store(next + CONTENT, 1)
    }
  const retire = (frames: Frames, at: number, thread: ModelThread) => {
    frames.retireCell(at)
    drainAll(frames, thread)
  }

  test('no reader sees a freed record', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'grace period',
      world,
      prepare: withObject(world),
      threads: [[walk(world), walk(world)], [takeAway(world, retire)]],
    })
  })

  test('a reader that dies inside the kernel is not waited for; what a dead thread had retired is freed', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'grace period, kill',
      world,
      prepare: withObject(world),
      threads: [[walk(world)], [takeAway(world, retire)]],
      kill: [0, 1],
      repair: (frames, dead, thread) => {
        frames.repair(dead)
        if (dead !== 256) drainAll(frames, thread)
      },
      final: (state) => {
        const slab = world.geometry.reservedFrames * 1024
        for (const at of [slab, slab + CELL_WORDS]) {
          const status = state.cpu.load(at)
          const isClean = status === 0 || status === -1 || (status & 0x40000000) === 0
          state.assert(isClean, `a retired cell is left: ${status}`)
        }
      },
    })
  })

  test('required to fail: freeing without waiting', () => {
    const world = framesWorld(2, 4)
    finds(
      {
        name: 'free without a grace period',
        world,
        prepare: withObject(world),
        threads: [
          [walk(world)],
          [
            takeAway(world, (frames, at) => {
              frames.unpublishCell(at)
              frames.freeCell(at)
            }),
          ],
        ],
      },
      /sees a freed record/,
    )
  })

  test('required to fail: a reader that looks before it says so', () => {
    const world = framesWorld(2, 4)
    const tooLate: Operation = (thread) => {
      const frames = world.frames(thread)
      const at = thread.cpu.load(pointerAt(world))
      frames.enterKernel()
      if (at !== 0) thread.assert(thread.cpu.load(at + CONTENT) === VALUE, 'a reader sees a freed record')
      frames.leaveKernel()
    }
    finds(
      {
        name: 'load before enterKernel',
        world,
        prepare: withObject(world),
        threads: [[tooLate], [takeAway(world, retire)]],
      },
      /sees a freed record/,
    )
  })
})
