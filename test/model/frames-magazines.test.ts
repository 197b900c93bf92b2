/** Magazines, whose frames are taken out by their threads and by others, as they ship, under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import { FLOATING, Frame, kindOf, MAGAZINE, OWNED } from '../../src/frames/frame.ts'
import { Frames } from '../../src/frames/frames.ts'
import { freeRunLocked } from '../../src/frames/runs.ts'
import { visitChunk } from '../../src/frames/truth.ts'
import { flagsOf, frameAt, lockZone, setFlags, unlockZone } from '../../src/frames/zone.ts'
import type { Operation, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { framesWorld, type FramesWorld } from '../frames/model-world.ts'
import { threadOf } from '../frames/world.ts'
import { finds, holds } from './frames-models.ts'

describe('magazines', () => {
  const takeAndGive =
    (world: FramesWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const pfn = frames.allocFrame(true)
      if (pfn > 0) frames.freeFrame(pfn)
    }

  const detach =
    (world: FramesWorld): Operation =>
    (thread) => {
      world.frames(thread).detach()
    }

  const noneLost = (world: FramesWorld) => (state: Snapshot) => {
    state.assert(world.framesInUse(state) === 0, 'a frame is lost')
  }

  test('two threads with magazines and 2 frames, each killed anywhere, 3 preemptions: no frame is lost or in two places', () => {
    const world = framesWorld(2, 2)
    holds({
      name: 'magazines, 2 threads, kill',
      world,
      threads: [[takeAndGive(world)], [takeAndGive(world)]],
      kill: [0, 1],
      bounds: { preemptions: 3 },
      final: noneLost(world),
    })
  })

  test('a magazine that is drained while another is filled, 2 preemptions', () => {
    const world = framesWorld(2, 4)
    holds({
      name: 'magazines, refill and drain, kill',
      world,
      threads: [
        [takeAndGive(world), detach(world)],
        [takeAndGive(world), takeAndGive(world), detach(world)],
      ],
      kill: [0, 1],
      bounds: { preemptions: 2 },
      final: noneLost(world),
    })
  })

  test('a frame that was given to an object survives its giver; one that was not is freed', () => {
    const world = framesWorld(2, 2)
    const OBJECT = 99
    holds({
      name: 'own(), kill',
      world,
      threads: [
        [
          (thread) => {
            const frames = world.frames(thread)
            const pfn = frames.allocFrame(true)
            if (pfn > 0) frames.own(pfn, OBJECT)
          },
        ],
        [takeAndGive(world)],
      ],
      kill: [0],
      final: (state) => {
        const { geometry } = world
        let owned = 0
        for (let pfn = geometry.reservedFrames; pfn < geometry.frameCount; pfn++) {
          if (kindOf(flagsOf({ cpu: state.cpu, geometry }, pfn)) === OWNED) owned++
        }
        state.assert(world.framesInUse(state) === owned, 'what is in use is OWNED')
        state.assert(state.isDead(0) || owned <= 1, 'at most one frame is owned')
      },
    })
  })

  const MARK = 7 // a word of a frame: whoever has the frame writes its id there

  const takeAndMark =
    (world: FramesWorld, allocate: (frames: Frames) => number): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const pfn = allocate(frames)
      if (pfn < 0) return
      thread.cpu.store(pfn * PAGE_WORDS + MARK, thread.tid)
      thread.assert(thread.cpu.load(pfn * PAGE_WORDS + MARK) === thread.tid, 'a frame has one holder')
      frames.freeFrame(pfn)
    }
  const single = (frames: Frames) => frames.allocFrame(true)
  const run = (length: number) => (frames: Frames) =>
    frames.allocRun(length * PAGE_SIZE, { keepContents: true })

  /** Both frames lie in the magazine of thread 0. */
  const twoInMagazine = (world: FramesWorld) => (frames: Frames) => {
    const owner = new Frames(threadOf(frames.cpu, 0, 0), world.geometry)
    owner.freeFrame(owner.allocFrame(true))
  }

  test('a run takes its frames out of the magazine of a thread that is using it: each killed anywhere, 3 preemptions', () => {
    const world = framesWorld(2, 2)
    holds({
      name: 'magazine taken back, kill',
      world,
      prepare: twoInMagazine(world),
      threads: [[takeAndMark(world, single)], [takeAndMark(world, run(2))]],
      kill: [0, 1],
      bounds: { preemptions: 3 },
      final: noneLost(world),
    })
  })

  test('a thread goes on when its magazine was taken back, 2 preemptions', () => {
    const world = framesWorld(2, 2)
    holds({
      name: 'magazine taken back, both go on, kill',
      world,
      prepare: twoInMagazine(world),
      threads: [
        [takeAndMark(world, single), takeAndMark(world, single)],
        [takeAndMark(world, run(2)), takeAndMark(world, single)],
      ],
      kill: [0, 1],
      bounds: { preemptions: 2 },
      final: noneLost(world),
    })
  })

  test('two threads take what lies in the magazine of a third, 1 preemption', () => {
    const world = framesWorld(3, 2)
    holds({
      name: 'magazine taken back twice, kill',
      world,
      prepare: twoInMagazine(world),
      threads: [[takeAndMark(world, single)], [takeAndMark(world, single)], [takeAndMark(world, run(2))]],
      kill: [0, 1, 2],
      bounds: { preemptions: 1 },
      final: noneLost(world),
    })
  })

  test('planted: a thread that takes its frame with a store, and does not ask whether it is still its own', () => {
    const world = framesWorld(2, 2)
    const takesByStore: Operation = takeAndMark(world, (frames) => {
      const list = frames.thread.at + ThreadSlot.magazine
      const listed = frames.cpu.plainLoad(list)
      const pfn = frames.cpu.plainLoad(list + listed)
      setFlags(frames, pfn, FLOATING)
      frames.cpu.plainStore(list, listed - 1)
      return pfn
    })
    finds(
      {
        name: 'taken with a store',
        world,
        prepare: twoInMagazine(world),
        threads: [[takesByStore], [takeAndMark(world, run(2))]],
      },
      /one holder|not this thread's|begin|inside|counts/,
    )
  })

  test('planted: a reaper that frees what it found in a magazine, and does not look again', () => {
    const world = framesWorld(2, 2)
    const freesWhatItFound = (frames: Frames, dead: number) => {
      const { cpu, geometry } = frames
      const found: number[] = []
      lockZone(frames)
      visitChunk(frames, 0, (pfn, flags) => {
        const isOfDead = cpu.plainLoad(frameAt(geometry, pfn) + Frame.owner) === dead
        if (isOfDead && kindOf(flags) === MAGAZINE) found.push(pfn)
      })
      unlockZone(frames)
      for (const pfn of found) {
        lockZone(frames)
        freeRunLocked(frames, pfn)
        unlockZone(frames)
      }
    }
    finds(
      {
        name: 'freed once more by the reaper',
        world,
        prepare: twoInMagazine(world),
        threads: [[takeAndMark(world, single)], [takeAndMark(world, run(2))]],
        kill: [0],
        repair: freesWhatItFound,
      },
      /one holder|not this thread's|begin|inside|counts|list/,
    )
  })

  test('planted: a reaper that believes the slot alone loses the frame that was just taken out', () => {
    const world = framesWorld(1, 4)
    finds(
      {
        name: 'the reaper reads the slot only',
        world,
        threads: [
          [
            (thread) => {
              world.frames(thread).allocFrame(true)
            },
          ],
        ],
        kill: [0],
        repair: (frames, dead) => {
          frames.takeOver(dead)
        },
        final: (state) => {
          state.assert(!state.isDead(0) || world.framesInUse(state) === 0, 'a frame is lost')
        },
      },
      /lost/,
    )
  })
})
