/** The buddy allocator and its runs, as they ship, under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import { linkLocked, mergeLocked, unlinkLocked } from '../../src/frames/buddy.ts'
import { blockFlags } from '../../src/frames/frame.ts'
import { lockZone, setFlags, unlockZone } from '../../src/frames/zone.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { framesWorld, type FramesWorld } from '../frames/model-world.ts'
import { finds, holds } from './frames-models.ts'

describe('runs and the buddy allocator', () => {
  const takeAndFree =
    (world: FramesWorld, length: number): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const run = frames.allocRun(length * PAGE_SIZE, { keepContents: true })
      if (run > 0) frames.freeRun(run)
    }
  const allBack = (world: FramesWorld) => (state: Snapshot) => {
    state.assert(world.framesInUse(state) === 0, `${world.framesInUse(state)} frames are lost`)
  }

  test('two threads take and free runs of 1 and 3 of 4 frames, each killed anywhere: all is there and merged', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'runs of 1 and 3 of 4 frames, kill',
      world,
      threads: [[takeAndFree(world, 1)], [takeAndFree(world, 3)]],
      kill: [0, 1],
      final: allBack(world),
    })
  })

  test('three threads, 1 preemption', () => {
    const world = framesWorld(3, 4)
    holds({
      name: 'three threads: runs of 1, 2 and 3 of 4 frames, kill',
      world,
      threads: [[takeAndFree(world, 1)], [takeAndFree(world, 2)], [takeAndFree(world, 3)]],
      kill: [0, 1, 2],
      bounds: { preemptions: 1 },
      final: allBack(world),
    })
  })

  test('a reaper that may not wait gives up where it would have to, and begins again', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'runs of 1 and 2, kill, reaper that never waits',
      world,
      threads: [[takeAndFree(world, 1)], [takeAndFree(world, 2)]],
      kill: [0],
      repair: (_frames, dead, thread) => {
        for (;;) {
          try {
            world.frames(neverWaits(thread)).repair(dead)
            return
          } catch (error) {
            if (!(error instanceof WouldWait)) throw error
            thread.awaitChange(error.at, error.value)
          }
        }
      },
      final: allBack(world),
    })
  })

  test('planted: without the takeover of the lock, everybody waits for a dead thread', () => {
    const world = framesWorld(2, 4)
    finds(
      {
        name: 'no takeover',
        world,
        threads: [[takeAndFree(world, 1)], [takeAndFree(world, 2)]],
        kill: [0],
        repair: () => undefined,
      },
      /wait|lock/,
    )
  })

  test('a run over three chunks is whole or gone, wherever its thread dies, 3 preemptions', () => {
    const world = framesWorld(2, 1026, 1023)
    holds({
      name: 'a run of 1 + 1024 + 1 frames, kill',
      world,
      threads: [[takeAndFree(world, 1026)], [takeAndFree(world, 1)]],
      kill: [0, 1],
      bounds: { preemptions: 3 },
      final: allBack(world),
    })
  })

  /** A block of 4 frames is split in two and merged again, with the two stores of the split in either order. */
  const split =
    (world: FramesWorld, rightFirst: boolean): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const first = world.geometry.reservedFrames
      lockZone(frames)
      unlinkLocked(frames, first, 2)
      for (const half of rightFirst ? [first + 2, first] : [first, first + 2]) {
        setFlags(frames, half, blockFlags(1, 0))
      }
      linkLocked(frames, first + 2, 1)
      mergeLocked(frames, first, 1)
      unlockZone(frames)
    }

  test('a split that gives the right half its flags before it shortens the left one is whole at each store', () => {
    const world = framesWorld(1, 4)
    holds({ name: 'split', world, threads: [[split(world, true)]], kill: [0], final: allBack(world) })
  })

  test('planted: in the other order, a death in between loses the right half', () => {
    const world = framesWorld(1, 4)
    finds(
      { name: 'split, left half first', world, threads: [[split(world, false)]], kill: [0] },
      /where an extent must begin/,
    )
  })
})

/** Thrown where a reaper would have to wait. */
class WouldWait extends Error {
  readonly at: number
  readonly value: number

  constructor(at: number, value: number) {
    super('a reaper may not wait')
    this.at = at
    this.value = value
  }
}

function neverWaits(thread: ModelThread): ModelThread {
  return Object.create(thread, {
    awaitChange: {
      value: (at: number, value: number) => {
        throw new WouldWait(at, value)
      },
    },
  }) as ModelThread
}
