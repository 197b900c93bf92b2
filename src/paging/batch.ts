/**
 * LimboBatch: frames that are out of every entry and may still be translated somewhere, and by whom.
 *
 *   LimboBatch  0        1            2       3        4      5        6       7      8      12
 *             ┌────────┬────────────┬───────┬────────┬──────┬────────┬───────┬──────┬──────┬─────────────────────┐
 *             │ status │ generation │ state │ taking │ head │ frames │ since │ told │ shot │ gens                │   a cell
 *             └────────┴────────────┴───────┴────────┴──────┴────────┴───────┴──────┴──────┴─────────────────────┘
 *
 *   status   as every cell's (frames/slab.ts): tid while that thread fills it, or looks through it; else live, and anybody
 *            may take it for looking through it: unpublishCell(), sweep(), publishCell()
 *   state    OPEN: frames are being taken, and not all who may have translated them are shot down yet; CLOSED
 *   taking   the entry that a frame is being taken out of, or 0
 *   head     pfn of the first frame, 0: none. The next one's stands in Frame.link
 *   frames   how many there are, those of runs counted each
 *   since    when it was closed; told: somebody has complained that it takes so long
 *   shot     a bit a process: it has to acknowledge gens[index], or to be away, before the frames are free
 *
 *   batch.head ──► Frame ──link──► Frame ──link──► 0         each OWNED, object = the batch
 *
 * The list goes through the Frames themselves: putting a frame away needs no memory, so it cannot fail.
 *
 * Written by the thread whose tid is its status, plainly: others read it when it is live, the reaper after the death.
 *
 *   take                                              a death before the next line leaves
 *   until the frame is OWNED       (link.ts)          nothing
 *   taking = entry                                    nothing
 *   entry: pte -> TAKEN | pfn      compareExchange    finishTaking() goes on from here
 *   until the frame is OWNED       again, for it may have been linked anew
 *   Frame.link = head; head = pfn
 *   Frame.object = batch           the frame is ours
 *   entry = 0; taking = 0          who met TAKEN goes on
 *
 * Invariants
 *  1. Nobody but the owner of the batch changes an entry that is TAKEN. Two never take from one entry: both would hold the
 *     lock of the same object. So the reaper finishes the batches of a dead thread before that thread's locks are passed on.
 *  2. A frame whose object is the batch is in its list. The reverse holds when the owner is at work elsewhere.
 */

import type { Physical } from '../frames/access.ts'
import { FLOATING, Frame, kindOf, OWNED } from '../frames/frame.ts'
import type { Frames } from '../frames/frames.ts'
import { flagsOf, frameAt } from '../frames/zone.ts'
import { isInState, RUNNING } from '../threads/slot.ts'
import { i32, layout, words } from '../words/layout.ts'
import { TlbState } from './presence.ts'
import { PROCESS_COUNT, processAt, type ProcessTable } from './processes.ts'
import { isMarker, markerOf, pfnOf, TAKEN } from './pte.ts'

export const LimboBatch = layout('LimboBatch', 560, {
  status: i32,
  generation: i32,
  state: i32,
  taking: i32,
  head: i32,
  frames: i32,
  since: i32,
  told: i32,
  shot: words(PROCESS_COUNT / 32),
  gens: words(PROCESS_COUNT),
})

export const OPEN = 0
export const CLOSED = 1

const { state, taking, head, frames: count, since, told, shot, gens, sizeof, signature } = LimboBatch

/** A new batch of this thread's, OPEN and empty. Its word index, or -ENOMEM. */
export function newBatch(frames: Frames): number {
  return frames.allocCell(signature, sizeof)
}

/** Closes a batch: everybody who may have translated its frames has been shot. It is everybody's from here on. */
export function closeBatch(frames: Frames, batch: number): void {
  setClosed(frames, batch)
  frames.cpu.plainStore(batch + since, frames.thread.now())
  frames.publishCell(batch)
}

/** Nobody has to be shot for what is in this batch, or all have been. */
export function setClosed({ cpu }: Frames, batch: number): void {
  cpu.plainStore(batch + state, CLOSED)
}

// ── frames ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Takes the frame of an entry that holds `pte` into a batch. False if the entry holds something else by now. */
export function takeInto(frames: Frames, batch: number, entryAt: number, pte: number): boolean {
  const { cpu } = frames
  const pfn = pfnOf(pte)
  // Before anything has changed: the supervisor does not wait, but throws, and then no entry may be left TAKEN.
  awaitOwned(frames, pfn, () => cpu.load(entryAt) === pte)
  cpu.plainStore(batch + taking, entryAt)
  const isTaken = cpu.compareExchange(entryAt, pte, markerOf(pfn, TAKEN)) === pte
  if (isTaken) finish(frames, batch, entryAt, pfn)
  cpu.plainStore(batch + taking, 0)
  return isTaken
}

function finish(frames: Frames, batch: number, entryAt: number, pfn: number): void {
  awaitOwned(frames, pfn)
  append(frames, batch, pfn)
  // Release: pairs with the load of whoever met TAKEN.
  frames.cpu.store(entryAt, 0)
}

/** Who linked the frame is about to own it, or dead: then the reaper owns it. Pairs with own() and ownFor(). */
function awaitOwned(frames: Frames, pfn: number, isLinked = () => true): void {
  for (;;) {
    const seen = flagsOf(frames, pfn)
    if (kindOf(seen) !== FLOATING || !isLinked()) return
    frames.thread.awaitChange(frameAt(frames.geometry, pfn) + Frame.flags, seen)
  }
}

/** Puts a frame or run into a batch that is in nobody's entry any more. */
export function append(frames: Frames, batch: number, pfn: number): void {
  const { cpu, geometry } = frames
  const frame = frameAt(geometry, pfn)
  cpu.plainStore(frame + Frame.link, cpu.plainLoad(batch + head))
  cpu.plainStore(batch + head, pfn)
  cpu.plainStore(frame + Frame.object, batch)
  cpu.plainStore(batch + count, cpu.plainLoad(batch + count) + frames.framesOf(pfn))
}

/** How many frames a batch says it holds. */
export function framesIn({ cpu }: Frames, batch: number): number {
  return cpu.plainLoad(batch + count)
}

/**
 * Visits the frames of a batch, and takes those out of the list for which `drops` is true, after it has been called: it
 * frees them. Counts the rest anew: that many stay.
 */
export function sweep(frames: Frames, batch: number, drops: (pfn: number) => boolean): number {
  const { cpu, geometry } = frames
  let left = 0
  let linkAt = batch + head
  for (let pfn = cpu.plainLoad(linkAt); pfn !== 0;) {
    const frame = frameAt(geometry, pfn)
    const next = cpu.plainLoad(frame + Frame.link)
    if (drops(pfn)) cpu.plainStore(linkAt, next)
    else {
      linkAt = frame + Frame.link
      left += frames.framesOf(pfn)
    }
    pfn = next
  }
  cpu.plainStore(batch + count, left)
  return left
}

// ── who may have translated them ──────────────────────────────────────────────────────────────────────────────────

/** Makes a process give up its translations: after each entry that it may have translated has been changed. */
export function shootFor({ cpu }: Physical, processes: ProcessTable, batch: number, index: number): void {
  // One half of Dekker; the other is in Presence.sync(): online is stored before gen is loaded.
  const gen = (cpu.add(processAt(processes, index) + TlbState.gen, 2) + 2) | 0
  cpu.plainStore(batch + gens + index, gen)
  const word = batch + shot + (index >>> 5)
  cpu.plainStore(word, cpu.plainLoad(word) | (1 << (index & 31)))
}

/** The first process that may still use an old translation, or -1. Of a batch that is live, or this thread's. */
export function awaited(physical: Physical, processes: ProcessTable, batch: number): number {
  const { cpu } = physical
  for (let first = 0; first < PROCESS_COUNT; first += 32) {
    for (let bits = cpu.plainLoad(batch + shot + (first >>> 5)); bits !== 0; bits &= bits - 1) {
      const index = first + 31 - Math.clz32(bits & -bits)
      if (mayTranslate(physical, processAt(processes, index), cpu.plainLoad(batch + gens + index)))
        return index
    }
  }
  return -1
}

/** Acquire: pairs with the stores of ack and online in Presence. What was stored through old translations is there. */
function mayTranslate({ cpu, geometry }: Physical, at: number, gen: number): boolean {
  if (cpu.load(at + TlbState.online) === 0) return false
  if (((cpu.load(at + TlbState.ack) - gen) | 0) >= 0) return false
  const tid = cpu.load(at + TlbState.tid)
  return tid !== 0 && isInState(cpu, geometry.slotsAt, tid, RUNNING)
}

// ── after a death ─────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * What the reaper does first about a batch of a dead thread: finishes what it was taking, and drops from the list what the
 * dead had freed, or not yet made the batch's. Returns how many frames are left. May be repeated; it waits, as takeInto()
 * does, for a living thread that is about to own a frame.
 */
export function mendBatch(frames: Frames, batch: number): number {
  finishTaking(frames, batch)
  return sweep(frames, batch, (pfn) => !isIn(frames, batch, pfn))
}

function finishTaking(frames: Frames, batch: number): void {
  const { cpu, geometry } = frames
  const entryAt = cpu.plainLoad(batch + taking)
  if (entryAt === 0) return
  const entry = cpu.load(entryAt)
  if (isMarker(entry, TAKEN)) {
    const pfn = pfnOf(entry)
    if (cpu.plainLoad(batch + head) !== pfn) finish(frames, batch, entryAt, pfn)
    else {
      cpu.plainStore(frameAt(geometry, pfn) + Frame.object, batch)
      cpu.store(entryAt, 0)
    }
  }
  cpu.plainStore(batch + taking, 0)
}

/** True if a frame or run is OWNED by a batch. */
export function isIn(frames: Frames, batch: number, pfn: number): boolean {
  const { cpu, geometry } = frames
  return (
    kindOf(flagsOf(frames, pfn)) === OWNED && cpu.plainLoad(frameAt(geometry, pfn) + Frame.object) === batch
  )
}

/** Notes that somebody has complained about a batch of this thread's. True if somebody had before. */
export function isTold({ cpu }: Frames, batch: number): boolean {
  const wasTold = cpu.plainLoad(batch + told) !== 0
  cpu.plainStore(batch + told, 1)
  return wasTold
}

export function isOpen({ cpu }: Frames, batch: number): boolean {
  return cpu.plainLoad(batch + state) === OPEN
}

/** What does not add up in a batch at rest, in sentences. */
export function* batchProblems(frames: Frames, batch: number): Generator<string> {
  const { cpu, geometry } = frames
  const seen = new Set<number>()
  let found = 0
  let pfn = cpu.plainLoad(batch + head)
  while (pfn !== 0) {
    if (seen.has(pfn) || !(pfn >= geometry.reservedFrames && pfn < geometry.frameCount)) {
      yield `the limbo batch at ${batch} lists frame ${pfn}, which is in it twice, or is none`
      return
    }
    seen.add(pfn)
    if (!isIn(frames, batch, pfn))
      yield `the limbo batch at ${batch} lists frame ${pfn}, which is not its own`
    found += frames.framesOf(pfn)
    pfn = cpu.plainLoad(frameAt(geometry, pfn) + Frame.link)
  }
  const stated = framesIn(frames, batch)
  if (stated !== found) yield `the limbo batch at ${batch} counts ${stated} frames, and there are ${found}`
}
