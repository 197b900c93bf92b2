/**
 * The size of an object against the insertion of its pages, as they ship (storage/resize.ts, page-index.ts), under every
 * interleaving, with a death of either before every instruction.
 *
 *   thread 0   maps page 1 as a fault does, and stores to it
 *   thread 1   cuts the object to one page, frees what it can, makes it two pages long again, looks at page 1, and stores
 *
 * What was stored before the cut is gone, and what was stored since is there in the end. All is real but the tables above
 * the index: two entries behind the object.
 */

import { describe, test } from 'vitest'
import { Frame, kindOf, OWNED, RETIRED } from '../../src/frames/frame.ts'
import type { Frames } from '../../src/frames/frames.ts'
import { flagsOf, frameAt } from '../../src/frames/zone.ts'
import { isPresent, pfnOf, PRESENT, pteOf } from '../../src/paging/pte.ts'
import type { EntryVisitor, PageTable } from '../../src/paging/table.ts'
import { PageIndex } from '../../src/storage/page-index.ts'
import { redoLocked, resizeLocked, type Resizing } from '../../src/storage/resize.ts'
import { ShmObject } from '../../src/storage/shm-object.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'
import { finds, holds, type Shape } from './frames-models.ts'
import { CONTENT, pagingWorld } from './paging-models.ts'

const { generation, pages, sequence, cutting, ctime, mtime, sizeof } = ShmObject
const STORED = 7
/** Ghosts: whether the object is about to grow again; whether thread 0 has stored to its page since. */
const GROWS = 0
const STORED_LATE = 1
/** Whether thread 1 has stored to the page since. */
const KEEPS = 2
const KEPT = 9
const KEPT_AT = CONTENT + 1

type World = ReturnType<typeof resizeWorld>

function resizeWorld() {
  const paging = pagingWorld(2, 4)
  const object = paging.firstPage * PAGE_WORDS
  const indexAt = object + sizeof
  const entryAt = paging.entryAt(0)
  return {
    ...paging,
    base: {
      ...paging.base,
      hints: (at: number) => at === object + ctime || at === object + mtime,
      label: (at: number) => {
        if (at === indexAt + 1) return 'index1'
        const field = Object.entries(ShmObject).find(([, offset]) => object + offset === at)
        return field !== undefined && at < indexAt ? `object.${field[0]}` : paging.base.label(at)
      },
    },
    object,
    indexAt,
    /** Where process 0 maps page 1. */
    entryAt,
    begin: (frames: Frames) => {
      paging.populate(frames)
      const pfn = frames.allocFrame()
      frames.own(pfn, object)
      frames.cpu.store(object + generation, 5)
      resizeLocked(partsOf(frames, new ShortIndex(frames, indexAt)), object, 2 * PAGE_SIZE)
    },
    partsOf,
  }

  function partsOf(frames: Frames, index: PageIndex): Resizing {
    return {
      frames,
      limbo: paging.limbo(frames),
      index,
      cuts: [
        (_object, firstPage, volley) => {
          const seen = frames.cpu.load(entryAt)
          if (firstPage > 1 || seen === 0) return
          frames.cpu.compareExchange(entryAt, seen, 0)
          volley.shoot(0)
        },
      ],
      find: (at, page) => index.pageAt(at, page, false),
    }
  }
}

/** An index of two pages, with no table above their entries. */
class ShortIndex extends PageIndex {
  readonly #table: PageTable

  constructor(frames: Frames, indexAt: number) {
    super(frames)
    this.#table = {
      find: (page: number) => indexAt + page,
      ensure: (page: number) => indexAt + page,
      visit: (from: number, to: number, visitor: EntryVisitor) => {
        for (let page = from; page < Math.min(to, 2); page++) {
          const entry = frames.cpu.load(indexAt + page)
          if (entry !== 0) visitor(indexAt + page, page, entry)
        }
      },
    } as unknown as PageTable
  }

  override tableOf(): PageTable {
    return this.#table
  }
}

interface Variant {
  readonly index?: new (frames: Frames, indexAt: number) => PageIndex
  /** Maps without looking at the sequence again. */
  readonly looksOnce?: boolean
  readonly resize?: typeof resizeLocked
}

/** As a fault does it. What it stores is stored inside the kernel, where a frame stays what it is. */
const faults =
  (world: World, variant: Variant = {}): Operation =>
  (thread) => {
    const { cpu } = thread
    const { object, entryAt } = world
    const frames = world.frames(thread)
    const index = new (variant.index ?? ShortIndex)(frames, world.indexAt)
    for (let isDone = false; !isDone;) {
      frames.enterKernel()
      const before = cpu.load(object + sequence)
      if (cpu.load(object + pages) <= 1) isDone = true
      else {
        const pfn = index.pageAt(object, 1, true)
        const pte = pteOf(pfn, PRESENT)
        if (pfn > 0 && cpu.compareExchange(entryAt, 0, pte) === 0) {
          isDone = variant.looksOnce === true || cpu.load(object + sequence) === before
          if (isDone) {
            cpu.store(pfn * PAGE_WORDS + CONTENT, STORED)
            thread.ghost((ghost) => (ghost[STORED_LATE] |= ghost[GROWS]))
          } else cpu.compareExchange(entryAt, pte, 0)
        } else isDone = true
      }
      frames.leaveKernel()
    }
  }

const cutsAndGrows =
  (world: World, variant: Variant = {}): Operation =>
  (thread) => {
    const { object } = world
    const frames = world.frames(thread)
    const index = new ShortIndex(frames, world.indexAt)
    const parts = world.partsOf(frames, index)
    const resize = variant.resize ?? resizeLocked
    thread.assert(resize(parts, object, PAGE_SIZE) === 0, 'it is cut')
    settle(thread, frames)
    thread.ghost((ghost) => (ghost[GROWS] = 1))
    thread.assert(resize(parts, object, 2 * PAGE_SIZE) === 0, 'it grows')
    frames.enterKernel()
    const pfn = index.pageAt(object, 1, true)
    if (pfn > 0) {
      const content = thread.cpu.load(pfn * PAGE_WORDS + CONTENT)
      const isLate = thread.ghost((ghost) => ghost[STORED_LATE]) === 1
      thread.assert(content === 0 || isLate, 'what was cut off is there again')
      thread.cpu.store(pfn * PAGE_WORDS + KEPT_AT, KEPT)
      thread.ghost((ghost) => (ghost[KEEPS] = 1))
    }
    frames.leaveKernel()
    settle(thread, frames)
  }

/** Waits until nothing of this thread is retired. Thread 0 may be inside the kernel; when it is reaped, it is not. */
function settle(thread: ModelThread, frames: Frames): void {
  for (;;) {
    const inside = thread.cpu.load(ThreadSlot.inKernel)
    if (frames.drainRetired() === 0) return
    if (thread.cpu.load(ThreadSlot.inKernel) !== inside) continue // it came in meanwhile, or left
    thread.assert((inside & 1) === 1, 'lost: a frame is waited for, and nobody has it')
    thread.awaitChange(ThreadSlot.inKernel, inside)
  }
}

const repair =
  (world: World, redoes = true) =>
  (frames: Frames, dead: number, thread: ModelThread) => {
    world.repair(frames, dead)
    const parts = world.partsOf(frames, new ShortIndex(frames, world.indexAt))
    // Only the dead can have been at it: thread 0 changes no size.
    if (redoes && dead === tidOf(1, 1) && thread.cpu.load(world.object + cutting) !== 0) {
      redoLocked(parts, world.object)
    }
    // What it retires is freed later: the dead is said to be inside the kernel until it is reaped.
    frames.drainRetired()
  }

const allIsWell = (world: World) => (state: Snapshot) => {
  const { cpu, assert } = state
  const { object, indexAt, geometry } = world
  const present = [0, 1].map((page) => cpu.load(indexAt + page)).filter((entry) => isPresent(entry))
  for (const entry of present) {
    const pfn = pfnOf(entry)
    assert(kindOf(flagsOf({ cpu, geometry }, pfn)) === OWNED, `lost: frame ${pfn} is linked and not OWNED`)
    assert(cpu.load(frameAt(geometry, pfn) + Frame.object) === object, `frame ${pfn} is not the object’s`)
  }
  const used = world.inUse(state).filter((pfn) => kindOf(flagsOf({ cpu, geometry }, pfn)) !== RETIRED)
  assert(used.length === present.length + 1, `a frame is lost: ${used.join()} in use`)
  const length = cpu.load(object + pages)
  const last = cpu.load(indexAt + 1)
  if (length < 2 && isPresent(last)) {
    assert(cpu.load(pfnOf(last) * PAGE_WORDS + CONTENT) === 0, 'a page behind the end is not zero')
  }
  const mapped = cpu.load(world.entryAt)
  const isRight = length === 2 && pfnOf(mapped) === pfnOf(last)
  assert(mapped === 0 || isRight || state.isDead(0), 'a page is mapped that is not the object’s')
  assert(cpu.load(object + cutting) === 0, 'the size is still being changed')
  const isKept = isPresent(last) && cpu.load(pfnOf(last) * PAGE_WORDS + KEPT_AT) === KEPT
  assert(state.ghost[KEEPS] === 0 || isKept, 'what was stored to a page of the object is not there')
}

function shape(
  name: string,
  world: World,
  more: Partial<Shape> & { readonly variant?: Variant } = {},
): Shape {
  const { variant, ...rest } = more
  return {
    name,
    world,
    prepare: world.begin,
    threads: [[faults(world, variant)], [cutsAndGrows(world, variant)]],
    repair: repair(world),
    final: allIsWell(world),
    ...rest,
  }
}

describe('an object is cut and grows again while a page of it is made and mapped', () => {
  test('nothing comes back, nothing is mapped behind the end, no frame is lost, 3 preemptions', () => {
    holds(shape('resize against insertion', resizeWorld(), { bounds: { preemptions: 3 } }))
  })

  test('who makes the page is killed anywhere, 1 preemption', () => {
    holds(shape('resize, kill the inserter', resizeWorld(), { kill: [0], bounds: { preemptions: 1 } }))
  })

  test('who cuts is killed anywhere, and the reaper finishes it, 1 preemption', () => {
    holds(shape('resize, kill the resizer', resizeWorld(), { kill: [1], bounds: { preemptions: 1 } }))
  })
})

describe('planted', () => {
  test('whoever maps a page does not look at the sequence again', () => {
    finds(shape('looks once', resizeWorld(), { variant: { looksOnce: true } }), /mapped|there again|not zero/)
  })

  test('the sequence moves after the pages were unmapped', () => {
    const late: typeof resizeLocked = (parts, at, bytes) => {
      const { cpu } = parts.frames
      const before = cpu.load(at + sequence)
      const add = (word: number, value: number) => (word === at + sequence ? before : cpu.add(word, value))
      const quiet = through(cpu, 'add', add)
      const result = resizeLocked({ ...parts, frames: through(parts.frames, 'cpu', quiet) }, at, bytes)
      cpu.add(at + sequence, 1)
      return result
    }
    finds(
      shape('late sequence', resizeWorld(), { variant: { resize: late }, bounds: { preemptions: 2 } }),
      /mapped|there again|not zero|lost/,
    )
  })

  test('a late page is taken out again by whoever made it, without the lock', () => {
    class Tidy extends ShortIndex {
      override pageAt(object: number, page: number, make: boolean): number {
        const pfn = super.pageAt(object, page, make)
        const { frames } = this as unknown as { frames: Frames }
        if (make && pfn > 0 && frames.cpu.load(object + pages) <= page) {
          const at = this.tableOf().find(page)
          if (frames.cpu.compareExchange(at, pteOf(pfn, PRESENT), 0) === pteOf(pfn, PRESENT))
            frames.freeFrame(pfn)
        }
        return pfn
      }
    }
    finds(
      shape('tidy', resizeWorld(), { variant: { index: Tidy }, bounds: { preemptions: 3 } }),
      /is not there/,
    )
  })

  test('nobody redoes what a dead thread has begun', () => {
    const world = resizeWorld()
    finds(
      shape('no redo', world, { kill: [1], repair: repair(world, false), bounds: { preemptions: 1 } }),
      /still being changed/,
    )
  })

  test('a page is linked without the protocol: the reaper frees it while it is in the index', () => {
    class Careless extends ShortIndex {
      override pageAt(object: number, page: number, make: boolean): number {
        const { frames } = this as unknown as { frames: Frames }
        const at = this.tableOf().find(page)
        if (!make || frames.cpu.load(at) !== 0) return super.pageAt(object, page, make)
        const pfn = frames.allocFrame()
        if (pfn < 0) return pfn
        frames.cpu.store(at, pteOf(pfn, PRESENT))
        frames.own(pfn, object)
        return pfn
      }
    }
    const world = resizeWorld()
    finds(
      shape('careless', world, { kill: [0], variant: { index: Careless }, bounds: { preemptions: 1 } }),
      /is not this thread's to free/,
    )
  })
})

/** An object with one property that is another. */
function through<T extends object>(object: T, name: string, other: unknown): T {
  return new Proxy(object, {
    get: (target, key) => {
      if (key === name) return other
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value
    },
  })
}
