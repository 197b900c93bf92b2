/**
 * A process with one page of an object, and a thread that cuts that page off: what the models of faults share.
 *
 *   thread 0   a process with one page: faults it in, and accesses it
 *   thread 1   cuts that page off the object, and gives its frame to somebody else as soon as it is free
 *
 * The object is a few words: its lock, whether an area maps it, pages, sequence, and the entry of its only page.
 */

import type { Frames } from '../../src/frames/frames.ts'
import { kindOf, RETIRED } from '../../src/frames/frame.ts'
import { flagsOf } from '../../src/frames/zone.ts'
import { linkFrame } from '../../src/paging/link.ts'
import type { Limbo, Volley } from '../../src/paging/limbo.ts'
import { isMarker, isPresent, pfnOf, PRESENT, pteOf, TAKEN } from '../../src/paging/pte.ts'
import type { Area } from '../../src/space/area.ts'
import type { Kernel } from '../../src/space/kernel.ts'
import { mapObjectPage } from '../../src/space/object-page.ts'
import { AGAIN, DONE, READ } from '../../src/space/outcome.ts'
import { copyOfObjectPage, copyOnWrite } from '../../src/space/private-page.ts'
import type { SpaceParts } from '../../src/space/parts.ts'
import { framesOwnedBy } from '../../src/frames/owned.ts'
import { unmapEntry } from '../../src/space/unmap-object.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { CONTENT, pagingWorld, Translator, type PagingWorld } from './paging-models.ts'

export const OLD = 1
const NEW = 2
const ENDED = 9
const RW = 3

/** The words of the object, which is "process" 1 of the world. */
export const objectOf = (world: PagingWorld) => ({
  at: world.at(1),
  index: world.entryAt(1, 0),
  pages: world.entryAt(1, 1),
  sequence: world.entryAt(1, 2),
  lock: world.entryAt(1, 3),
  isMapped: world.entryAt(1, 4),
})

export type Fault = (space: SpaceParts, area: Area, at: number, pte: number) => number

/** What the functions of the space floor need of a Space. */
function spaceOf(
  world: PagingWorld,
  thread: ModelThread,
  frames: Frames,
  translator: Translator,
): SpaceParts {
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
  } as unknown as SpaceParts
}

const areaOf = (world: PagingWorld, flags: number): Area => ({
  at: 0,
  start: 0,
  end: 1,
  flags,
  prot: RW,
  mayProt: RW,
  object: objectOf(world).at,
  file: 0,
  offset: 0,
  anonId: 1,
})

/** Accesses the page as the MMU does: translate, else fault, until it is there or gone. */
export const access =
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

export const mapShared: Fault = (space, area, at, pte) =>
  pte === 0 ? mapObjectPage(space, area, 0, at, READ) : DONE
export const copyAtOnce: Fault = (space, area, at, pte) =>
  pte === 0 ? copyOfObjectPage(space, area, 0, at, 0) : DONE
/** Read first: the object's page; then a copy of it. */
export const readThenCopy: Fault = (space, area, at, pte) => {
  const result = pte === 0 ? mapObjectPage(space, area, 0, at, READ) : DONE
  if (result !== DONE) return result
  const now = space.cpu.load(at)
  return isPresent(now) ? copyOnWrite(space, area, 0, at, now) : AGAIN
}

export interface Steps {
  readonly unmapsFirst?: boolean
  readonly unmap?: (kernel: Kernel, world: PagingWorld, volley: Volley) => void
}

/** ftruncate(object, 0), by the steps of storage (resize.ts), then its frames to somebody else. */
export const truncate =
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
export const repair =
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

export const nothingIsLeft =
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

export const shape = (flags: number, fault: Fault, steps: Steps = {}) => {
  const world = pagingWorld(2, 4)
  return {
    world,
    prepare: withPage(world),
    threads: [[access(world, flags, fault)], [truncate(world, steps)]],
    repair: repair(world),
    final: nothingIsLeft(world),
  }
}
