/**
 * Debug mode: what is free is poisoned, and behind each run lies a red zone.
 *
 *   a run of 5000 bytes      frame 0                  frame 1                     guard frame
 *                          ┌────────────────────────┬─────────┬─────────────────┬────────────────────────┐
 *                          │ 4096                   │ 904     │ bb bb bb ...    │ bb bb bb bb ...        │
 *                          └────────────────────────┴─────────┴─────────────────┴────────────────────────┘
 *   a freed frame            6b 6b 6b ...                       └──── slack: 3192 + 4096 bytes ────┘
 *
 * A frame is filled with POISON before it is freed, and checked when it is allocated: what differs was written by
 * somebody who had no right any more. Frame.object of a free frame holds who freed it; 0 means that nobody ever had the
 * frame, and then it must be all zero. The red zone is checked when the run is freed, and by check().
 *
 * The bytes are those of Linux (include/linux/poison.h: POISON_FREE, SLUB_RED_INACTIVE), for people know them.
 *
 * Everything here works on frames that the thread owns, or under the zone lock, which keeps free frames free.
 */

import type { Cpu } from '../host/cpu.ts'
import { slotIndexOf } from '../threads/slot.ts'
import { PAGE_SIZE } from '../words/constants.ts'
import { Frame, slackOf } from './frame.ts'
import { extentFrames } from './truth.ts'
import type { Physical } from './access.ts'
import { flagsOf, frameAt } from './zone.ts'

const { object } = Frame

export const POISON = 0x6b
export const RED_ZONE = 0xbb

/** Somebody wrote where it must not. Thrown when the frame is allocated or the run freed; listed by check(). */
export class FrameDamageError extends Error {
  override readonly name = 'FrameDamageError'
  readonly code = 'ERR_PAGEFRAME_DAMAGED'
  /** The first frame of the run, or the frame that was free. */
  readonly pfn: number
  /** Where the first wrong byte is: past the end of the run, or from the beginning of the free frame. */
  readonly offsetBytes: number
  readonly found: number
  /** The thread that had freed the frame; 0 if nobody had, or if it is a red zone. */
  readonly freedBy: number

  constructor(message: string, pfn: number, offsetBytes: number, found: number, freedBy: number) {
    super(message)
    this.pfn = pfn
    this.offsetBytes = offsetBytes
    this.found = found
    this.freedBy = freedBy
  }
}

/** Fills frames with poison, before they are freed. */
export function poison({ cpu, geometry }: Physical, pfn: number, frames: number, freedBy: number): void {
  for (let each = pfn; each < pfn + frames; each++) {
    cpu.fill(each * PAGE_SIZE, POISON, PAGE_SIZE)
    cpu.plainStore(frameAt(geometry, each) + object, freedBy)
  }
}

/** Looks for writes into frames while they were free. */
export function findWriteAfterFree(
  { cpu, geometry }: Physical,
  pfn: number,
  frames: number,
): FrameDamageError | undefined {
  for (let each = pfn; each < pfn + frames; each++) {
    const freedBy = cpu.plainLoad(frameAt(geometry, each) + object)
    const expected = freedBy === 0 ? 0 : POISON
    const offset = firstOther(cpu, each * PAGE_SIZE, expected, PAGE_SIZE)
    if (offset < 0) continue
    const found = byteAt(cpu, each * PAGE_SIZE + offset)
    const since =
      freedBy === 0
        ? 'though it was never allocated'
        : `after thread ${slotIndexOf(freedBy)} (tid ${freedBy}) had freed it`
    const message = `write after free: frame ${each} has ${hex(found)} at byte ${offset}, where ${hex(expected)} was expected; somebody wrote to it ${since}`
    return new FrameDamageError(message, each, offset, found, freedBy)
  }
  return undefined
}

/** Forgets who freed the frames: they have been checked, and are handed out. */
export function forgetFreedBy({ cpu, geometry }: Physical, pfn: number, frames: number): void {
  for (let each = pfn; each < pfn + frames; each++) cpu.plainStore(frameAt(geometry, each) + object, 0)
}

/** Fills the red zone of a run whose flags state its slack. */
export function fillRedZone(physical: Physical, pfn: number): void {
  const slack = slackOf(flagsOf(physical, pfn))
  physical.cpu.fill(endByte(physical, pfn) - slack, RED_ZONE, slack)
}

/** Looks for writes past the end of a run. Runs without a red zone have no slack. */
export function findOverrun(physical: Physical, pfn: number): FrameDamageError | undefined {
  const slack = slackOf(flagsOf(physical, pfn))
  const start = endByte(physical, pfn) - slack
  const offset = slack === 0 ? -1 : firstOther(physical.cpu, start, RED_ZONE, slack)
  if (offset < 0) return undefined
  const found = byteAt(physical.cpu, start + offset)
  const lengthBytes = start - pfn * PAGE_SIZE
  const message = `write past the end: the run at frame ${pfn} has ${lengthBytes} bytes, and ${hex(found)} was found ${offset} bytes past its end, where its red zone has ${hex(RED_ZONE)}`
  return new FrameDamageError(message, pfn, offset, found, 0)
}

function endByte(physical: Physical, pfn: number): number {
  return (pfn + extentFrames(physical, pfn, flagsOf(physical, pfn))) * PAGE_SIZE
}

/** The offset of the first byte in [atByte, atByte + length) that is not `expected`, or -1. */
function firstOther(cpu: Cpu, atByte: number, expected: number, length: number): number {
  if (byteAt(cpu, atByte) !== expected) return 0
  // Bytes that all equal their successors are all equal: one memcmp with itself, one byte further.
  if (cpu.compare(atByte, atByte + 1, length - 1) === 0) return -1
  let offset = 1
  while (byteAt(cpu, atByte + offset) === expected) offset++
  return offset
}

function byteAt(cpu: Cpu, atByte: number): number {
  return (cpu.plainLoad(Math.floor(atByte / 4)) >>> ((atByte % 4) * 8)) & 0xff
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}
