/**
 * A small memory for the models of the frames floor: a few free frames at its end, all of one chunk.
 *
 *   frame   0 ...                                                     first ... frameCount
 *          ┌─────────────────┬──────┬────────────┬───┬──────────────┬────────────────────┐
 *          │ slots, + reaper │ Zone │ slab table │   │ frame table  │ free frames        │
 *          └─────────────────┴──────┴────────────┴───┴──────────────┴────────────────────┘
 *
 * What only the holder of the zone lock touches is declared as notes: its order against other threads is not explored,
 * but each death in between is. Frame.flags is explored in full: owners change it without the lock.
 */

import { problemsLocked } from '../../src/frames/check.ts'
import { Frame } from '../../src/frames/frame.ts'
import { Frames } from '../../src/frames/frames.ts'
import { framesArea, type FrameGeometry } from '../../src/frames/geometry.ts'
import { freeFramesOf } from '../../src/frames/statistics.ts'
import { Zone } from '../../src/frames/zone.ts'
import type { Cpu } from '../../src/host/cpu.ts'
import type { Model, ModelThread, Snapshot } from '../../src/testing/model.ts'
import { DEAD, moveState, REAPING, RUNNING, ThreadSlot } from '../../src/threads/slot.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { threadOf } from './world.ts'

export interface FramesWorld {
  readonly geometry: FrameGeometry
  readonly base: Pick<Model, 'words' | 'notes' | 'label'>
  /** Frames on the memory before any thread runs. */
  prepare(cpu: Cpu): Frames
  frames(thread: ModelThread): Frames
  /** The reaper's operation: what `repair` does, in between DEAD and what a new thread does with the slot. */
  reap(thread: ModelThread, dead: number, repair: (frames: Frames) => void): void
  /** What check() says, and what is neither free nor in a magazine. */
  problems(state: Snapshot): readonly string[]
  framesInUse(state: Snapshot): number
}

/** `reserved` moves the free frames, to where the boundary of a chunk is among them. */
export function framesWorld(threads: number, freeFrames: number, reserved = 0): FramesWorld {
  const slots = threads + 1
  const areaAt = slots * ThreadSlot.sizeof
  const least = framesArea.place(areaAt, reserved + 64, 0, slots, false).reservedFrames
  // The free frames begin at a multiple of 4, so that they are one block if there are 4 of them.
  const reservedFrames = reserved || Math.ceil(least / 4) * 4
  const geometry = {
    ...framesArea.place(areaAt, reservedFrames + freeFrames, 0, slots, false),
    reservedFrames,
  }
  const { zoneAt, slabTableAt, chunkMapAt, tableAt } = geometry
  const tableEnd = tableAt + geometry.frameCount * Frame.sizeof
  const isNote = (at: number) => {
    if (at >= zoneAt && at < slabTableAt) return at !== zoneAt + Zone.lock && at !== zoneAt + Zone.generation
    if (at >= chunkMapAt && at < tableAt) return true
    if (at >= tableAt && at < tableEnd) {
      const word = (at - tableAt) % Frame.sizeof
      return word !== Frame.flags && word !== Frame.mapcount && word !== Frame.link
    }
    const word = at % ThreadSlot.sizeof
    return at < zoneAt && word >= ThreadSlot.magazine && word < ThreadSlot.counters
  }

  return {
    geometry,
    base: {
      words: geometry.frameCount * PAGE_WORDS,
      notes: isNote,
      label: (at) => {
        if (at === zoneAt + Zone.lock) return 'zone.lock'
        if (at >= tableAt && at < tableEnd) {
          const word = (at - tableAt) % Frame.sizeof
          const field = Object.entries(Frame).find(([, offset]) => offset === word)?.[0] ?? 'word'
          return `frame${Math.floor((at - tableAt) / Frame.sizeof)}.${field}`
        }
        if (at < zoneAt && at % ThreadSlot.sizeof === ThreadSlot.inKernel) {
          return `inKernel${Math.floor(at / ThreadSlot.sizeof)}`
        }
        return undefined
      },
    },
    prepare(cpu) {
      Frames.format(cpu, geometry)
      for (let index = 0; index < slots; index++) {
        cpu.store(index * ThreadSlot.sizeof + ThreadSlot.state, (1 << 3) | RUNNING)
      }
      return new Frames(threadOf(cpu, 0, threads), geometry)
    },
    frames: (thread) => new Frames(thread, geometry),
    reap(thread, dead, repair) {
      moveState(thread.cpu, 0, dead, RUNNING, DEAD)
      moveState(thread.cpu, 0, dead, DEAD, REAPING)
      repair(new Frames(thread, geometry))
      const slot = (dead & 0xff) * ThreadSlot.sizeof
      thread.cpu.store(slot + ThreadSlot.inKernel, 0)
    },
    problems: ({ cpu }) => {
      const lock = cpu.load(zoneAt + Zone.lock)
      const locked = lock === 0 ? [] : [`the zone is locked by ${lock & 0xff}`]
      return [...locked, ...problemsLocked({ cpu, geometry })]
    },
    framesInUse: ({ cpu }) => freeFrames - freeFramesOf({ cpu, geometry }),
  }
}
