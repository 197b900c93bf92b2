/**
 * Faults against truncation, as they ship, under every interleaving, with a death of either before every instruction.
 *
 *   thread 0   a process with one page: faults it in, and accesses it
 *   thread 1   cuts that page off the object, and gives its frame to somebody else as soon as it is free
 *
 * The object is a few words: its lock, whether an area maps it, pages, sequence, and the entry of its only page.
 */

import { describe, test } from 'vitest'
import type { Frames } from '../../src/frames/frames.ts'
import { kindOf, RETIRED } from '../../src/frames/frame.ts'
import { flagsOf } from '../../src/frames/zone.ts'
import { linkFrame } from '../../src/paging/link.ts'
import type { Limbo, Volley } from '../../src/paging/limbo.ts'
import { isMarker, isPresent, pfnOf, PRESENT, pteOf, TAKEN, WRITE } from '../../src/paging/pte.ts'
import type { Area } from '../../src/space/area.ts'
import type { Kernel } from '../../src/space/kernel.ts'
import { mapObjectPage } from '../../src/space/object-page.ts'
import { AGAIN, BEYOND, DONE, READ } from '../../src/space/outcome.ts'
import { copyOfObjectPage, copyOnWrite, zeroedPage } from '../../src/space/private-page.ts'
import type { Space } from '../../src/space/space.ts'
import { framesOwnedBy } from '../../src/space/teardown.ts'
import { unmapEntry } from '../../src/space/unmap-object.ts'
import { VM_SHARED } from '../../src/space/vma.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { finds, holds } from './frames-models.ts'
import { CONTENT, pagingWorld, Translator, type PagingWorld } from './paging-models.ts'

const OLD = 1
const NEW = 2
const ENDED = 9
const RW = 3

/** The words of the object, which is "process" 1 of the world. */
const objectOf = (world: PagingWorld) => ({
  at: world.at(1),
  index: world.entryAt(1, 0),
  pages: world.entryAt(1, 1),
  sequence: world.entryAt(1, 2),
  lock: world.entryAt(1, 3),
  isMapped: world.entryAt(1, 4),
})

type Fault = (space: Space, area: Area, at: number, pte: number) => number

/** What the functions of the space floor need of a Space. */
function spaceOf(world: PagingWorld, thread: ModelThread, frames: Frames, translator: Translator): Space {
  const { cpu } = thread
  const object = objectOf(world)
  const objects = {
    pages: () => cpu.load(object.pages),
    sequence: () => cpu.load(object.sequence),
    pageAt: () => {
      for (;;) {
        const entry = cpu.load(object.index)
        if (isPresent(entry)) return pfnOf(entry)
        if (isMarker(entry, TAKEN)) {
          thread.awaitChange(object.index, entry)
          continue
        }
        const pfn = frames.allocFrame(true)
        if (pfn < 0) return pfn
        cpu.store(pfn * PAGE_WORDS + CONTENT, OLD)
        if (linkFrame(frames, pfn, object.index, 0, pteOf(pfn, PRESENT), object.at, 0)) return pfn
      }
    },
  }
  return {
    cpu,
    frames,
    objects,
    at: world.at(0),
    around: new Int32Array(16),
    mmu: { forget: () => { translator.tlb.forget() } }, // prettier-ignore
  } as unknown as Space
}

const areaOf = (world: PagingWorld, flags: number): Area => ({
  at: 0,
  start: 0,
  end: 1,
  flags,
  prot: RW,
  mayProt: RW,
  object: objectOf(world).at,
  offset: 0,
  anonId: 1,
})

/** Accesses the page as the MMU does: translate, else fault, until it is there or gone. */
const access =
  (world: PagingWorld, flags: number, fault: Fault, times = 2): Operation =>
  (thread) => {
    const frames = world.frames(thread)
    const translator = new Translator(thread, world.at(0), world.entryAt(0))
    const space = spaceOf(world, thread, frames, translator)
    const area = areaOf(world, flags)
    for (let i = 0; i < times; i++) {
      const base = translated(world, thread, translator, () =>
        fault(space, area, world.entryAt(0), thread.cpu.load(world.entryAt(0))),
      )
      if (base !== 0) translator.touch(base, OLD)
      thread.cpu.add(world.progressAt, 1)
    }
    translator.presence.goOffline()
    thread.cpu.store(world.progressAt, ENDED)
  }

function translated(
  world: PagingWorld,
  thread: ModelThread,
  translator: Translator,
  fault: () => number,
): number {
  for (;;) {
    const base = translator.translate()
    if (base !== 0) return base
    const seen = thread.cpu.load(world.entryAt(0))
    if (isMarker(seen, TAKEN)) {
      thread.awaitChange(world.entryAt(0), seen)
      continue
    }
    const result = fault()
    if (result !== DONE && result !== AGAIN) return 0
  }
}

const mapShared: Fault = (space, area, at, pte) =>
  pte === 0 ? mapObjectPage(space, area, 0, at, READ) : DONE
const copyAtOnce: Fault = (space, area, at, pte) =>
  pte === 0 ? copyOfObjectPage(space, area, 0, at, 0) : DONE
/** Read first: the object's page; then a copy of it. */
const readThenCopy: Fault = (space, area, at, pte) => {
  const result = pte === 0 ? mapObjectPage(space, area, 0, at, READ) : DONE
  if (result !== DONE) return result
  const now = space.cpu.load(at)
  return isPresent(now) ? copyOnWrite(space, area, 0, at, now) : AGAIN
}

interface Steps {
  readonly unmapsFirst?: boolean
  readonly unmap?: (kernel: Kernel, world: PagingWorld, volley: Volley) => void
}

/** ftruncate(object, 0), by the steps of storage (resize.ts), then its frames to somebody else. */
const truncate =
  (world: PagingWorld, steps: Steps = {}): Operation =>
  (thread) => {
    const object = objectOf(world)
    const frames = world.frames(thread)
    lockObject(thread, object.lock)
    cut(world, thread, frames, steps)
    thread.cpu.store(object.lock, 0)
    settle(world, thread, frames)
    reuse(frames)
  }

function lockObject({ cpu }: ModelThread, at: number): void {
  while (cpu.compareExchange(at, 0, 1) !== 0) cpu.spinWhileEqual(at, 1, 1)
}

function cut(world: PagingWorld, thread: ModelThread, frames: Frames, steps: Steps): Limbo {
  const { cpu } = thread
  const object = objectOf(world)
  const limbo = world.limbo(frames)
  const shorten = () => {
    cpu.store(object.pages, 0)
    cpu.add(object.sequence, 1)
  }
  const volley = limbo.open()
  if (typeof volley === 'number') throw new Error('lost: no memory')
  const kernel = { attachment: { cpu, frames } } as unknown as Kernel
  if (steps.unmapsFirst !== true) shorten()
  frames.enterKernel()
  if (cpu.load(object.isMapped) === 1) {
    const unmap = steps.unmap ?? (() => unmapEntry(kernel, world.at(0), world.entryAt(0), volley))
    unmap(kernel, world, volley)
    volley.shoot(0)
  }
  frames.leaveKernel()
  if (steps.unmapsFirst === true) shorten()
  for (;;) {
    const entry = cpu.load(object.index)
    if (!isPresent(entry) || volley.take(object.index, entry)) break
  }
  volley.close()
  return limbo
}

/** Waits until nothing of this thread is in limbo or retired. */
function settle(world: PagingWorld, thread: ModelThread, frames: Frames): void {
  const { cpu } = thread
  const other = ThreadSlot.inKernel // the process's
  for (;;) {
    const seen = cpu.load(world.progressAt)
    const inside = cpu.load(other)
    if (frames.drainRetired() === 0) return
    if ((inside & 1) === 1) {
      thread.awaitChange(other, inside)
      continue
    }
    thread.assert(seen < ENDED, 'lost: a frame is waited for, and nobody has it')
    thread.awaitChange(world.progressAt, seen)
  }
}

/** The reaper's: what it retires is freed when the dead is no longer said to be inside the kernel. */
function settleLimbo(world: PagingWorld, thread: ModelThread, limbo: Limbo): void {
  for (;;) {
    const seen = thread.cpu.load(world.progressAt)
    if (limbo.drain(true) === 0) return
    thread.assert(seen < ENDED, 'lost: a frame is waited for, and nobody has it')
    thread.awaitChange(world.progressAt, seen)
  }
}

/** Every frame that can be got is somebody else's for a while. */
function reuse(frames: Frames): void {
  const pfn = frames.allocFrame(true)
  if (pfn < 0) return
  const at = pfn * PAGE_WORDS + CONTENT
  frames.cpu.store(at, NEW)
  if (frames.cpu.load(at) !== NEW) throw new Error('a store through an old translation went astray')
  frames.freeFrame(pfn)
}

/** What the reaper does: the space of a dead process ends; a truncation that was begun is done once more. */
const repair =
  (world: PagingWorld) =>
  (frames: Frames, dead: number, thread: ModelThread): void => {
    const { cpu } = thread
    const object = objectOf(world)
    const limbo = world.repair(frames, dead)
    if ((dead & 0xff) === 1) {
      settleLimbo(world, thread, limbo)
      if (cpu.load(object.pages) === 0) settleLimbo(world, thread, cut(world, thread, frames, {}))
      cpu.store(object.lock, 0)
    } else {
      cpu.store(world.progressAt, ENDED)
      lockObject(thread, object.lock)
      cpu.store(object.isMapped, 0)
      cpu.store(object.lock, 0)
      for (const pfn of framesOwnedBy(frames, world.at(0))) frames.retireFrame(pfn)
    }
  }

const nothingIsLeft =
  (world: PagingWorld) =>
  (state: Snapshot): void => {
    const { cpu, assert } = state
    const object = objectOf(world)
    const entry = cpu.load(world.entryAt(0))
    const isCut = cpu.load(object.pages) === 0
    if (isCut && !state.isDead(0)) assert(entry === 0, `lost: a page behind the end is mapped (${entry})`)
    const indexed = cpu.load(object.index)
    const expected = new Set<number>()
    if (isPresent(indexed)) expected.add(pfnOf(indexed))
    if (isPresent(entry) && !state.isDead(0)) expected.add(pfnOf(entry))
    const used = world
      .inUse(state)
      .filter((pfn) => kindOf(flagsOf({ cpu, geometry: world.geometry }, pfn)) !== RETIRED)
    const fits = used.length === expected.size && used.every((pfn) => expected.has(pfn))
    // An insertion that came too late leaves a page that nobody maps; the next cut takes it.
    assert(fits, `lost: frames ${used.join()} are in use, and ${[...expected].join()} are mapped`)
  }

/** An object of one page, which is there. */
const withPage = (world: PagingWorld) => (frames: Frames) => {
  const { cpu } = frames
  const object = objectOf(world)
  world.populate(frames)
  const pfn = frames.allocFrame(true)
  cpu.store(pfn * PAGE_WORDS + CONTENT, OLD)
  frames.own(pfn, object.at)
  cpu.store(object.index, pteOf(pfn, PRESENT))
  cpu.store(object.pages, 1)
  cpu.store(object.isMapped, 1)
}

const shape = (flags: number, fault: Fault, steps: Steps = {}) => {
  const world = pagingWorld(2, 4)
  return {
    world,
    prepare: withPage(world),
    threads: [[access(world, flags, fault)], [truncate(world, steps)]],
    repair: repair(world),
    final: nothingIsLeft(world),
  }
}

const SOMEBODY = /somebody else|astray|lost/

describe('mapping an object page', () => {
  test('no access finds a page that was cut off, and nothing behind the end stays mapped', () => {
    holds({ name: 'fault: object page against truncation', ...shape(VM_SHARED, mapShared) })
  })

  test('the process is killed anywhere, 2 preemptions', () => {
    holds({
      name: 'fault: object page, kill the process',
      ...shape(VM_SHARED, mapShared),
      kill: [0],
      bounds: { preemptions: 2 },
    })
  })

  test('who truncates is killed anywhere, 1 preemption', () => {
    holds({
      name: 'fault: object page, kill the truncation',
      ...shape(VM_SHARED, mapShared),
      kill: [1],
      bounds: { preemptions: 1 },
    })
  })

  test('planted: the sequence is not looked at again', () => {
    const trusting: Fault = (space, area, at, pte) => {
      const objects = Object.assign(Object.create(space.objects) as object, { sequence: () => 0 })
      return mapShared(Object.assign(Object.create(space) as Space, { objects }), area, at, pte)
    }
    finds(
      { name: 'no second look at the sequence', ...shape(VM_SHARED, trusting), bounds: { preemptions: 3 } },
      SOMEBODY,
    )
  })

  test('planted: the sequence is looked at before the entry is stored', () => {
    const early: Fault = ({ cpu, objects, frames }, area, at, pte) => {
      if (pte !== 0) return DONE
      frames.enterKernel()
      const sequence = objects.sequence(area.object)
      let result: number = BEYOND
      if (objects.pages(area.object) > 0) {
        const pfn = objects.pageAt(area.object, 0, true)
        result = objects.sequence(area.object) === sequence ? DONE : AGAIN
        if (result === DONE) cpu.compareExchange(at, 0, pteOf(pfn, PRESENT | WRITE))
      }
      frames.leaveKernel()
      return result
    }
    finds({ name: 'sequence before entry', ...shape(VM_SHARED, early), bounds: { preemptions: 3 } }, SOMEBODY)
  })

  test('planted: the truncation unmaps before it says that the object is shorter', () => {
    finds({ name: 'unmap before sequence', ...shape(VM_SHARED, mapShared, { unmapsFirst: true }) }, SOMEBODY)
  })

  test('planted: the truncation takes the object’s frame for a private one', () => {
    const takes: Steps['unmap'] = (kernel, world, volley) => {
      const entry = kernel.attachment.cpu.load(world.entryAt(0))
      if (isPresent(entry)) volley.take(world.entryAt(0), entry)
    }
    finds(
      { name: 'a shared frame is taken twice', ...shape(VM_SHARED, mapShared, { unmap: takes }) },
      /lost|error|endless|somebody/,
    )
  })
})

describe('private pages', () => {
  test('a copy of an object page is cut off with it, 4 preemptions', () => {
    holds({
      name: 'fault: private copy against truncation',
      ...shape(0, copyAtOnce),
      bounds: { preemptions: 4 },
    })
  })

  test('either is killed anywhere, 1 preemption', () => {
    holds({
      name: 'fault: private copy, kill',
      ...shape(0, copyAtOnce),
      kill: [0, 1],
      bounds: { preemptions: 1 },
    })
  })

  test('a copy takes the place of the object page that was mapped to be read; either is killed, 1 preemption', () => {
    const threads = (world: PagingWorld) => [[access(world, 0, readThenCopy, 1)], [truncate(world)]]
    const base = shape(0, readThenCopy)
    holds({
      name: 'fault: copy on write against truncation, kill',
      ...base,
      threads: threads(base.world),
      kill: [0, 1],
      bounds: { preemptions: 1 },
    })
  })

  test('a zeroed page: killed anywhere, its frame is free or the space’s', () => {
    const world = pagingWorld(2, 4)
    const anonymous: Fault = (space, area, at, pte) => {
      if (pte !== 0) return DONE
      const result = zeroedPage(space, area, 0, at, 0)
      if (result === DONE) space.cpu.store(pfnOf(space.cpu.load(at)) * PAGE_WORDS + CONTENT, OLD)
      return result
    }
    holds({
      name: 'fault: zeroed page, kill',
      world,
      prepare: (frames) => {
        world.populate(frames)
        frames.cpu.store(objectOf(world).pages, 1)
      },
      threads: [[access(world, 0, anonymous)], []],
      kill: [0],
      repair: repair(world),
      final: nothingIsLeft(world),
    })
  })

  test('planted: a copy is left where the object has ended meanwhile', () => {
    const trusting: Fault = (space, area, at, pte) => {
      const objects = Object.assign(Object.create(space.objects) as object, { sequence: () => 0 })
      return copyAtOnce(Object.assign(Object.create(space) as Space, { objects }), area, at, pte)
    }
    finds({ name: 'copy without a second look', ...shape(0, trusting), bounds: { preemptions: 3 } }, SOMEBODY)
  })

  test('planted: the frame is owned before it is linked', () => {
    const ownsFirst: Fault = ({ cpu, frames, at: spaceAt }, _area, at, pte) => {
      if (pte !== 0) return DONE
      const pfn = frames.allocFrame(true)
      frames.own(pfn, spaceAt)
      cpu.store(pfn * PAGE_WORDS + CONTENT, OLD)
      if (cpu.compareExchange(at, 0, pteOf(pfn, PRESENT)) !== 0) return AGAIN
      return DONE
    }
    const base = shape(0, ownsFirst)
    finds(
      {
        name: 'owned, and another was faster',
        ...base,
        world: base.world,
        threads: [base.threads[0], [occupy(base.world)]],
      },
      /lost/,
    )
  })
})

/** Somebody else's change of the entry, at any moment: what a compareExchange loses to. */
const occupy =
  (world: PagingWorld): Operation =>
  ({ cpu }) => {
    const pfn = pfnOf(cpu.load(objectOf(world).index))
    if (cpu.compareExchange(world.entryAt(0), 0, pteOf(pfn, PRESENT)) === 0) return
  }
