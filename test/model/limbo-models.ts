/** Frames that are taken away from processes, and given to somebody else: what the models of limbo, links and pins share. */

import type { Frames } from '../../src/frames/frames.ts'
import type { Limbo } from '../../src/paging/limbo.ts'
import { isMarker, isPresent, TAKEN } from '../../src/paging/pte.ts'
import type { ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { CONTENT, Translator, type PagingWorld } from './paging-models.ts'

export const OLD = 1
export const NEW = 2
/** Of what counts the processes' steps: no more will come. */
export const ENDED = 9
export const SOMEBODY = /somebody else|astray/
export const LOST = /lost|marked|in use/

/** Takes the page of a process away, and gives the frame to somebody else as soon as it is free. */
export const take =
  (world: PagingWorld, process: number, page = 0): Operation =>
  (thread) => {
    const frames = world.frames(thread)
    const limbo = world.limbo(frames)
    takeAway(world, thread, limbo, process, page)
    drainAll(world, thread, limbo)
    reuse(world, frames)
  }

/** Drains now, and again whenever a process has acknowledged or gone away, until nothing is left. */
export function drainAll(world: PagingWorld, thread: ModelThread, limbo: Limbo): void {
  for (;;) {
    const seen = thread.cpu.load(world.progressAt)
    if (limbo.drain(true) === 0) return
    thread.assert(seen < ENDED, 'lost: a frame is waited for, and nobody has it')
    thread.awaitChange(world.progressAt, seen)
  }
}

export function takeAway(
  world: PagingWorld,
  thread: ModelThread,
  limbo: Limbo,
  process: number,
  page = 0,
): void {
  const volley = limbo.open()
  if (typeof volley === 'number') return
  const entryAt = world.entryAt(process, page)
  const pte = thread.cpu.load(entryAt)
  if (isPresent(pte)) volley.take(entryAt, pte)
  volley.shoot(process)
  volley.close()
}

/** What a model begins with: the world's cells, and a page of a process that shows OLD. */
export const mapped =
  (world: PagingWorld, process: number) =>
  (frames: Frames): void => {
    world.populate(frames)
    world.map(frames, process, OLD)
  }

/** Every frame that can be got is somebody else's for a while. */
export function reuse(world: PagingWorld, frames: Frames): void {
  frames.drainRetired()
  const pfn = frames.allocFrame(true)
  if (pfn < 0) return
  const at = pfn * PAGE_WORDS + CONTENT
  frames.cpu.store(at, NEW)
  if (frames.cpu.load(at) !== NEW) throw new Error('a store through an old translation went astray')
  frames.freeFrame(pfn)
}

export const access =
  (world: PagingWorld, index: number): Operation =>
  (thread) => {
    const translator = new Translator(thread, world.at(index), world.entryAt(index))
    translator.access(OLD)
    thread.cpu.add(world.progressAt, 1)
    translator.access(OLD)
    thread.cpu.add(world.progressAt, 1)
    translator.presence.goOffline()
    thread.cpu.store(world.progressAt, ENDED)
  }

export const nothingIsLeft =
  (world: PagingWorld, expected = 0) =>
  (state: Snapshot) => {
    const used = world.inUse(state)
    state.assert(used.length === expected, `a frame is lost: ${used.join()} in use`)
    for (let index = 0; index < world.processes.count; index++) {
      const isStuck = isMarker(state.cpu.load(world.entryAt(index)), TAKEN)
      state.assert(!isStuck, 'an entry stays marked as TAKEN')
    }
  }

/** What the reaper does for the dead, to the end. */
export const reap =
  (world: PagingWorld, steps?: Parameters<PagingWorld['repair']>[2]) =>
  (frames: Frames, dead: number, thread: ModelThread) => {
    const limbo = world.repair(frames, dead, steps)
    drainAll(world, thread, limbo)
    reuse(world, frames)
  }
