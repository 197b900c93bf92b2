import { describe, expect, test } from 'vitest'
import { PinRecord } from '../../src/paging/pins.ts'
import { SegmentationFault } from '../../src/paging/signals.ts'
import { PROT_NONE, PROT_READ } from '../../src/space/constants.ts'
import { releasePins, teardownSpace } from '../../src/space/teardown.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { CONTIGUOUS } from '../../src/storage/shm-object.ts'
import { thrownBy } from '../support.ts'
import { ANON, machine, PRIVATE, RW, SHARED } from './fault-world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s: a window', (layout) => {
  test('shows what the process reads and writes, both ways, from any byte to any byte', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(4, RW, SHARED, m.object(4, CONTIGUOUS))
    p.mmu.store8(at + PAGE_SIZE + 3, 7)

    const window = p.space.window(at + PAGE_SIZE + 3, 2 * PAGE_SIZE)
    window.bytes[2 * PAGE_SIZE - 1] = 9

    expect(window.bytes).toHaveLength(2 * PAGE_SIZE)
    expect(window.bytes[0]).toBe(7)
    expect(p.mmu.load8(at + 3 * PAGE_SIZE + 2)).toBe(9)
    expect(window.bytes).toBe(window.bytes)
    window.dispose()
    expect(m.problems()).toEqual([])
  })

  test('over pages that were only read, or hidden for a while, is there as over those that were written', () => {
    const m = machine(layout)
    const p = m.process(0)
    const object = m.object(3)
    const shared = p.map(3, RW, SHARED, object)
    const copied = p.map(3, RW, PRIVATE, object)
    const own = p.map(3)
    for (const at of [shared, copied, own]) {
      p.mmu.load8(at)
      p.mmu.store8(at + PAGE_SIZE, 1)
      expect(p.space.areas.mprotect(at, 3 * PAGE_SIZE, PROT_NONE)).toBe(0)
      expect(p.space.areas.mprotect(at, 3 * PAGE_SIZE, RW)).toBe(0)
      p.mmu.load8(at + 2 * PAGE_SIZE)
    }

    for (const at of [shared, copied, own]) {
      const window = p.space.window(at, 3 * PAGE_SIZE)
      for (const run of window.runs) run.fill(9)
      expect(p.mmu.load8(at + 3 * PAGE_SIZE - 1)).toBe(9)
      window.dispose()
    }
    expect(m.problems()).toEqual([])
  })

  test('over frames that lie apart has runs, and no bytes: ENOTSUP', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(8)
    for (const page of [0, 2, 4, 6, 7, 5, 3, 1]) p.mmu.store32(at + page * PAGE_SIZE, page)

    const window = p.space.window(at + 8, 8 * PAGE_SIZE - 16)

    expect(window.runs.length).toBeGreaterThan(1)
    expect(window.runs.reduce((sum, run) => sum + run.length, 0)).toBe(8 * PAGE_SIZE - 16)
    expect(thrownBy(() => window.bytes)).toMatchObject({ code: 'ENOTSUP' })
    expect(thrownBy(() => window.as(Int32Array))).toMatchObject({ code: 'ENOTSUP' })
    const seen: number[] = []
    let offset = 8
    for (const run of window.runs) {
      for (let i = 0; i < run.length; i++, offset++) if (offset % PAGE_SIZE === 0) seen.push(run[i])
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7])
    window.dispose()
  })

  test('becomes any typed array that fits its bytes', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(2, RW, SHARED, m.object(2, CONTIGUOUS))
    p.mmu.storeF64(at + 8, 1.5)
    using window = p.space.window(at + 8, 16)

    expect([...window.as(Float64Array)]).toEqual([1.5, 0])
    expect(window.as(DataView).getFloat64(0, true)).toBe(1.5)
    using skewed = p.space.window(at + 4, 16)
    expect(skewed.as(Int32Array)).toHaveLength(4)
    expect(thrownBy(() => skewed.as(Float64Array))).toMatchObject({ code: 'ERR_PAGEFRAME_OUT_OF_RANGE' })
  })

  test('faults its pages in, the zero page replaced by one of the process’s own', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(2)
    expect(p.mmu.load32(at)).toBe(0)
    const readOnly = p.map(1, PROT_READ)

    using window = p.space.window(at, 8)
    using other = p.space.window(readOnly, 8)
    window.runs[0][0] = 5

    expect(p.mmu.load32(at)).toBe(5)
    expect(p.mmu.load32(readOnly)).toBe(0)
    expect([...other.runs[0]]).toEqual([0, 0, 0, 0, 0, 0, 0, 0])
    expect(m.problems()).toEqual([])
  })

  test('over a private mapping does not show what others do to the object afterwards', () => {
    const m = machine(layout)
    const object = m.object(1)
    const [p, other] = [m.process(0), m.process(1)]
    const shared = other.map(1, RW, SHARED, object)
    const at = p.map(1, PROT_READ, PRIVATE, object)
    expect(p.mmu.load32(at)).toBe(0)
    using window = p.space.window(at, 4)

    other.mmu.store32(shared, 1)

    expect([p.mmu.load32(at), window.as(Int32Array)[0]]).toEqual([0, 0])
  })

  test('where nothing may be accessed throws what an access would, and pins nothing', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(2)

    const error = thrownBy(() => p.space.window(at + PAGE_SIZE, 2 * PAGE_SIZE))
    expect(error).toBeInstanceOf(SegmentationFault)
    expect(error).toMatchObject({ code: 'SEGV_MAPERR', address: at + 2 * PAGE_SIZE })
    const behind = p.map(2, RW, SHARED, m.object(1))
    expect(thrownBy(() => p.space.window(behind, 2 * PAGE_SIZE))).toMatchObject({ code: 'BUS_ADRERR' })
    expect(thrownBy(() => p.space.window(at, 0))).toMatchObject({ code: 'ERR_PAGEFRAME_OUT_OF_RANGE' })
    expect([...m.kernel.attachment.frames.cellsOf(PinRecord.signature)]).toEqual([])
  })

  test('outlives munmap: its frames come back when it is disposed', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(4)
    const window = p.space.window(at, 4 * PAGE_SIZE)
    window.runs[0][0] = 1

    expect(p.space.areas.munmap(at, 4 * PAGE_SIZE)).toBe(0)
    const again = p.map(4)
    for (let page = 0; page < 4; page++) p.mmu.fill(again + page * PAGE_SIZE, 0xff, PAGE_SIZE)

    expect(window.runs[0][0]).toBe(1)
    expect(p.kernel.limbo.drain(true)).toBe(4)
    window.dispose()
    window.dispose()
    expect(p.kernel.limbo.drain(true)).toBe(0)
    expect(thrownBy(() => window.runs)).toMatchObject({ code: 'EBADF' })
    expect(m.problems()).toEqual([])
  })

  test('outlives truncation: it shows what was cut off, and nobody gets those frames', () => {
    const m = machine(layout)
    const object = m.object(2)
    const [p, cutter] = [m.process(0), m.process(1)]
    const at = p.map(2, RW, SHARED, object)
    const window = p.space.window(at, 2 * PAGE_SIZE)
    window.runs.at(-1)?.fill(3)

    cutter.kernel.objects.resize(object, 0)
    p.endRun()

    expect(cutter.kernel.limbo.drain(true)).toBe(2)
    expect(window.runs.at(-1)?.at(-1)).toBe(3)
    window.dispose()
    expect(cutter.kernel.limbo.drain(true)).toBe(0)
  })

  test('outlives its process, until its worker has ended for good', () => {
    const m = machine(layout)
    const p = m.process(0)
    const at = p.map(2, RW, ANON)
    const window = p.space.window(at, 2 * PAGE_SIZE)
    window.runs[0][0] = 4
    const reaper = m.kernelOf(m.attach())
    const free = () => {
      reaper.attachment.frames.drainRetired()
      return reaper.attachment.frames.freeBytes()
    }

    teardownSpace(reaper, p.at)
    teardownSpace(reaper, p.at)
    const before = free()
    expect(window.runs[0][0]).toBe(4)
    expect(m.problems()).toEqual([])
    releasePins(reaper, p.at)
    releasePins(reaper, p.at)

    expect(free() - before).toBe(2 * PAGE_SIZE)
    expect(m.problems()).toEqual([])
  })
})
