/** The frames floor, as it ships, under every interleaving, with a death before every instruction. */

import { describe, expect, test } from 'vitest'
import { linkLocked, mergeLocked, unlinkLocked } from '../../src/frames/buddy.ts'
import { blockFlags, FLOATING, Frame, kindOf, MAGAZINE, OWNED } from '../../src/frames/frame.ts'
import { Frames } from '../../src/frames/frames.ts'
import { addSlab, claimCell } from '../../src/frames/slab.ts'
import { openCache } from '../../src/frames/slab-table.ts'
import { freeRunLocked } from '../../src/frames/runs.ts'
import { visitChunk } from '../../src/frames/truth.ts'
import { flagsOf, frameAt, lockZone, setFlags, unlockZone } from '../../src/frames/zone.ts'
import { explore } from '../../src/testing/explore.ts'
import type { Bounds, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { formatReport, type Report } from '../../src/testing/report.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { framesWorld, type FramesWorld } from '../frames/model-world.ts'
import { threadOf } from '../frames/world.ts'

const KIND = 4711

interface Shape {
  readonly name: string
  readonly world: FramesWorld
  readonly threads: readonly (readonly Operation[])[]
  readonly prepare?: (frames: Frames) => void
  readonly repair?: (frames: Frames, dead: number, thread: ModelThread) => void
  readonly kill?: readonly number[]
  readonly bounds?: Bounds
  readonly final?: (state: Snapshot) => void
}

function search(shape: Shape): Report {
  const { world } = shape
  const model: Model = {
    ...world.base,
    name: shape.name,
    init: (cpu) => {
      const frames = world.prepare(cpu)
      shape.prepare?.(frames)
    },
    threads: shape.threads,
    ...(shape.kill === undefined ? {} : { kill: shape.kill }),
    reaper: [
      (thread, dead) => {
        world.reap(thread, dead, (frames) => {
          if (shape.repair === undefined) frames.repair(dead)
          else shape.repair(frames, dead, thread)
        })
      },
    ],
    final: (state) => {
      const problems = world.problems(state)
      state.assert(problems.length === 0, problems.join('; '))
      shape.final?.(state)
    },
    bounds: { states: 4_000_000, ...shape.bounds },
  }
  const report = explore(model)
  console.log(formatReport({ ...report, failures: [] }), report.failures[0]?.message ?? '')
  return report
}

function holds(shape: Shape): void {
  const report = search(shape)
  expect(report.failures.map((each) => `${each.message}\n${each.trace.join('\n')}`)).toEqual([])
}

/** A planted bug, which the explorer is required to find. */
function finds(shape: Shape, what: RegExp): void {
  const report = search(shape)
  expect(report.failures.map((each) => each.message).join()).toMatch(what)
}

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
        name: 'planted: no takeover',
        world,
        threads: [[takeAndFree(world, 1)], [takeAndFree(world, 2)]],
        kill: [0],
        repair: () => undefined,
      },
      /wait|lock/,
    )
  })

  test('a run over three chunks is whole or gone, wherever its thread dies', () => {
    const world = framesWorld(2, 1026, 1023)
    holds({
      name: 'a run of 1 + 1024 + 1 frames, kill',
      world,
      threads: [[takeAndFree(world, 1026)], [takeAndFree(world, 1)]],
      kill: [0, 1],
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
      { name: 'planted: split, left half first', world, threads: [[split(world, false)]], kill: [0] },
      /where an extent must begin/,
    )
  })
})

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

  test('two threads with magazines and 2 frames, each killed anywhere: no frame is lost or in two places', () => {
    const world = framesWorld(2, 2)
    holds({
      name: 'magazines, 2 threads, kill',
      world,
      threads: [[takeAndGive(world)], [takeAndGive(world)]],
      kill: [0, 1],
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

  test('a run takes its frames out of the magazine of a thread that is using it: each killed anywhere', () => {
    const world = framesWorld(2, 2)
    holds({
      name: 'magazine taken back, kill',
      world,
      prepare: twoInMagazine(world),
      threads: [[takeAndMark(world, single)], [takeAndMark(world, run(2))]],
      kill: [0, 1],
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
        name: 'planted: taken with a store',
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
        name: 'planted: freed once more by the reaper',
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
        name: 'planted: the reaper reads the slot only',
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

/** What the cells of the models carry: an object whose two words must agree. */
const CELL_WORDS = 512 // two cells a slab
const CONTENT = 5

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
        name: 'planted: looks full, no second look',
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
        name: 'planted: status 0 before the zeroes',
        world,
        prepare: withSlab,
        threads: [[freesFirst], [live(world)]],
      },
      /all zero|one builder/,
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
        name: 'planted: free without a grace period',
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
        name: 'planted: load before enterKernel',
        world,
        prepare: withObject(world),
        threads: [[tooLate], [takeAway(world, retire)]],
      },
      /sees a freed record/,
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
