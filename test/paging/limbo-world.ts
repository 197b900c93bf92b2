/** Threads and processes that take turns on a small memory, with what takes frames away from them. */

import { Frame, FREE, kindOf, MAGAZINE, TAIL } from '../../src/frames/frame.ts'
import { flagsOf, frameAt } from '../../src/frames/zone.ts'
import { Limbo } from '../../src/paging/limbo.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { processAt, type ProcessTable } from '../../src/paging/processes.ts'
import { PRESENT, pteOf, WRITE } from '../../src/paging/pte.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { world } from '../frames/world.ts'

const { gen, ack, online, tid } = TlbState

export function limboWorld(frameCount = 256) {
  const base = world(frameCount, { reserved: 64 })
  const { cpu } = base
  const processes: ProcessTable = { firstAt: 62 * PAGE_WORDS, stride: 2 * TlbState.sizeof, count: 8 }
  const frames = base.frames(0)
  const limbo = new Limbo(frames, processes)
  const at = (index: number) => processAt(processes, index)

  return {
    ...base,
    frames,
    threadFrames: base.frames,
    limbo,
    processes,
    at,
    /** Word of a process slot where its entries lie: one a page. */
    entryAt: (index: number, page = 0) => at(index) + TlbState.sizeof + page,
    /** Process `index`, run by thread `index`, online and up to date. */
    start: (index: number) => {
      base.frames(index)
      cpu.store(at(index) + tid, base.tid(index))
      cpu.store(at(index) + online, 1)
      cpu.store(at(index) + ack, cpu.load(at(index) + gen))
    },
    acknowledge: (index: number) => {
      cpu.store(at(index) + ack, cpu.load(at(index) + gen))
    },
    goOffline: (index: number) => {
      cpu.store(at(index) + online, 0)
    },
    /** A frame of process `index` behind an entry of its. */
    map: (index: number, page = 0) => {
      const pfn = frames.allocFrame()
      frames.own(pfn, at(index))
      cpu.store(at(index) + TlbState.sizeof + page, pteOf(pfn, PRESENT | WRITE))
      return pfn
    },
    pteOf: (pfn: number) => pteOf(pfn, PRESENT | WRITE),
    objectOf: (pfn: number) => cpu.load(frameAt(base.geometry, pfn) + Frame.object),
    volley: (of = limbo) => {
      const volley = of.open()
      if (typeof volley === 'number') throw new Error(`open() answered ${volley}`)
      return volley
    },
    /** True when nobody has the frame. */
    isFree: (pfn: number) => {
      frames.drainRetired()
      const kind = kindOf(flagsOf(frames, pfn))
      return kind === FREE || kind === MAGAZINE || kind === TAIL // inside a larger block
    },
  }
}
