/**
 * Areas, as they ship, read by another thread while their mutator changes them, and dies: a foreign reader sees the space
 * before a system call or after it, never in between.
 *
 *   words   0            slotsAt     cellsAt
 *          ┌────────────┬───────────┬────────────┐
 *          │ SpaceState │ 3 slots   │ Vma x 3    │
 *          └────────────┴───────────┴────────────┘
 */

import { test } from 'vitest'
import { areasOf } from '../../src/space/areas-of.ts'
import { AreaTable } from '../../src/space/area-table.ts'
import type { Kernel } from '../../src/space/kernel.ts'
import { SpaceState } from '../../src/space/space-state.ts'
import { cellsOfSpace, dropAreas, type AreaInfo } from '../../src/space/vma-cells.ts'
import { Vma } from '../../src/space/vma.ts'
import type { Model, ModelThread, Operation } from '../../src/testing/model.ts'
import type { Thread } from '../../src/threads/thread.ts'
import { ThreadSlot } from '../../src/threads/slot.ts'
import { finds, holds } from './verdicts.ts'

const SPACE = 0
const slotsAt = SpaceState.sizeof
const cellsAt = slotsAt + 3 * ThreadSlot.sizeof
const CELLS = [0, 1, 2].map((i) => cellsAt + i * Vma.sizeof)
const RW = { flags: 0, prot: 3, mayProt: 7, object: 0, file: 0 }
const RO = { ...RW, prot: 1 }

/** Cells as slab.ts has them, but for the slabs; anonymous areas need no objects. */
function kernelOf(thread: Pick<Thread, 'cpu' | 'tid' | 'awaitChange'>): Kernel {
  const { cpu, tid } = thread
  const frames = {
    allocCell: () => CELLS.find((at) => cpu.load(at) === 0 && cpu.compareExchange(at, 0, tid) === 0) ?? -12,
    publishCell: (at: number) => {
      cpu.store(at, -1)
    },
    unpublishCell: (at: number) => {
      const seen = cpu.load(at)
      return seen < 0 && cpu.compareExchange(at, seen, tid) === seen ? 0 : -1
    },
    freeCell: (at: number) => {
      for (let i = 1; i < Vma.sizeof; i++) if (cpu.load(at + i) !== 0) cpu.store(at + i, 0)
      cpu.store(at, 0)
    },
    *cellsOf() {
      for (const at of CELLS) if (cpu.load(at) < 0) yield at
    },
  }
  return { attachment: { cpu, thread, frames } } as unknown as Kernel
}

/** A system call: what it does to the areas of the space, between begin() and end(). */
function call(work: (table: AreaTable) => void): Operation {
  return (thread) => {
    const table = new AreaTable(kernelOf(thread), SPACE)
    table.begin()
    work(table)
    table.end()
  }
}

/** munmap of [4, 6). */
const punch = call((table) => {
  const area = table.tree.find(4)
  if (area === undefined) return
  table.splitLocked(area, 6, table.newCell())
  table.resizeLocked(area, 0, 4)
})

/** munmap of [6, 10), and mmap of [20, 21), which takes the cell. */
const move = call((table) => {
  const area = table.tree.find(6)
  if (area !== undefined) table.removeLocked(area)
  table.addLocked(table.newCell(), 20, 21, RO, 20)
})

const show = (areas: readonly AreaInfo[]): string =>
  areas.map(({ start, end, prot, offset }) => `${start}-${end}:${prot}@${offset}`).join(' ')

const STATES = ['0-10:3@0', '0-4:3@0 6-10:3@6', '0-4:3@0 20-21:1@20']

function reads(read: (kernel: Kernel) => AreaInfo[], states: readonly string[]): Operation {
  return (thread: ModelThread) => {
    const seen = show(read(kernelOf(thread)))
    thread.assert(states.includes(seen), `torn: a reader saw ${seen}`)
  }
}

const foreign = (kernel: Kernel) => areasOf(kernel, SPACE)

const base: Omit<Model, 'name' | 'threads'> = {
  words: cellsAt + CELLS.length * Vma.sizeof,
  slotsAt,
  init: (cpu) => {
    const thread = { cpu, tid: 99, awaitChange: () => undefined }
    const table = new AreaTable(kernelOf(thread), SPACE)
    table.begin()
    table.addLocked(table.newCell(), 0, 10, RW, 0)
    table.end()
  },
}

test('a reader sees the areas before a call or after it', { timeout: 60_000 }, () => {
  holds({
    ...base,
    name: 'areas, a reader',
    threads: [[punch, move], [reads(foreign, STATES)]],
    bounds: { preemptions: 4 },
  })
})

test('planted: a reader that does not look at the sequence sees half of a call', { timeout: 60_000 }, () => {
  finds(
    {
      ...base,
      name: 'areas, no sequence',
      threads: [[punch, move], [reads((kernel) => cellsOfSpace(kernel, SPACE), STATES)]],
    },
    /torn/,
  )
})

test(
  'the mutator dies anywhere: the reader ends, and nothing of the space is left',
  { timeout: 120_000 },
  () => {
    holds({
      ...base,
      name: 'areas, the mutator dies',
      threads: [[punch, move], [reads(foreign, ['', ...STATES])]],
      kill: [0],
      bounds: { preemptions: 2 },
      reaper: [
        (thread, dead) => {
          const kernel = kernelOf(thread)
          dropAreas(kernel, SPACE)
          for (const at of CELLS) if (thread.cpu.load(at) === dead) kernel.attachment.frames.freeCell(at)
        },
      ],
      final: ({ cpu, isDead, assert }) => {
        if (!isDead(0)) return
        assert(
          CELLS.every((at) => cpu.load(at) === 0),
          'every cell is free',
        )
        assert(cpu.load(SpaceState.areaCount) === 0, 'it counts none')
        assert((cpu.load(SpaceState.sequence) & 1) === 0, 'nobody waits for the dead')
      },
    })
  },
)
