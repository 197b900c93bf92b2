/** A memory with threads that take turns: Frames on a plain SharedArrayBuffer, without workers. */

import { Frames } from '../../src/frames/frames.ts'
import { framesArea, type FrameGeometry } from '../../src/frames/geometry.ts'
import { atomicsCpu, type Cpu } from '../../src/host/cpu.ts'
import { debugCpu } from '../../src/host/debug-cpu.ts'
import { FREE, REAPING, RUNNING, ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import type { Thread } from '../../src/threads/thread.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../src/words/constants.ts'

const SLOTS = 8
const FIRST_GENERATION = 1 << 3

export class Blocked extends Error {}

export interface World {
  readonly cpu: Cpu
  readonly words: Int32Array<SharedArrayBuffer>
  readonly bytes: Uint8Array<SharedArrayBuffer>
  readonly geometry: FrameGeometry
  /** The frames as thread `index` sees them, with nothing kept in JavaScript. Its slot is RUNNING from then on. */
  readonly frames: (index: number) => Frames
  readonly tid: (index: number) => number
  /** The thread died, and the reaper has begun. */
  readonly kill: (index: number) => void
  /** The reaper is through. */
  readonly reaped: (index: number) => void
}

/** A memory of so many frames; the first `reserved` are the kernel's if given. */
export function world(frameCount: number, options: { debug?: boolean; reserved?: number } = {}): World {
  const buffer = new SharedArrayBuffer(frameCount * PAGE_SIZE)
  const words = new Int32Array(buffer)
  const cpu = debugCpu(atomicsCpu(buffer), buffer.byteLength)
  const slotsAt = PAGE_WORDS
  const areaAt = slotsAt + SLOTS * ThreadSlot.sizeof
  const placed = framesArea.place(areaAt, frameCount, slotsAt, SLOTS, options.debug ?? false)
  const geometry = { ...placed, reservedFrames: Math.max(placed.reservedFrames, options.reserved ?? 0) }
  Frames.format(cpu, geometry)
  const setState = (index: number, state: number) => {
    cpu.store(slotsAt + index * ThreadSlot.sizeof + ThreadSlot.state, FIRST_GENERATION | state)
  }
  return {
    cpu,
    words,
    bytes: new Uint8Array(buffer),
    geometry,
    frames: (index) => {
      setState(index, RUNNING)
      return new Frames(threadOf(cpu, slotsAt, index), geometry)
    },
    tid: (index) => tidOf(index, 1),
    kill: (index) => {
      setState(index, REAPING)
    },
    reaped: (index) => {
      setState(index, FREE)
    },
  }
}

export function threadOf(cpu: Cpu, slotsAt: number, index: number): Thread {
  return {
    cpu,
    at: slotsAt + index * ThreadSlot.sizeof,
    tid: tidOf(index, 1),
    spinTurns: 0,
    sleep: () => false,
    ring: () => undefined,
    awaitChange: () => {
      throw new Blocked('there is nobody who could change it')
    },
    now: () => 0,
    deadlineIn: () => 0,
    isStarving: () => false,
    count: () => undefined,
  }
}
