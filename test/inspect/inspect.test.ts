import { describe, expect, test } from 'vitest'
import { faults } from '../../src/inspect/faults.ts'
import { frame } from '../../src/inspect/frame.ts'
import { maps, vmaCount } from '../../src/inspect/maps.ts'
import { overhead } from '../../src/inspect/overhead.ts'
import { smaps, smapsRollup } from '../../src/inspect/smaps.ts'
import { O_CREAT, O_RDWR } from '../../src/ipc/constants.ts'
import { FREE, ProcessSlot } from '../../src/machine/process-slot.ts'
import { stateWord } from '../../src/machine/process-table.ts'
import { MAP_SHARED, PROT_NONE, PROT_READ } from '../../src/space/constants.ts'
import { CONTIGUOUS } from '../../src/storage/shm-object.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { thrownBy } from '../support.ts'
import { RW, SHARED } from '../space/fault-world.ts'
import { inspectable } from './world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  test('anybody sees the mappings of any process, as they are now', () => {
    const { process } = inspectable(layout)
    const us = process(0)
    const other = process(1)

    const at = us.map(3)
    us.protect(at + PAGE_SIZE, 1, PROT_NONE)
    const seen = maps(us.view)

    expect(vmaCount(us.view)).toBe(3)
    expect(seen.map(({ perms }) => perms)).toEqual(['rw-p', '---p', 'rw-p'])
    expect(seen.map(({ start }) => start)).toEqual([0, 1, 2].map((page) => at + page * PAGE_SIZE))
    expect(maps(us.self)).toEqual(seen)
    expect(String(seen).split('\n')).toHaveLength(4)
    expect(maps(other.view)).toEqual([])
    expect(String(maps(other.view))).toBe('')
  })

  test('a frame that three entries name counts a third for each, in however many processes they are', () => {
    const { process, object } = inspectable(layout)
    const pages = object(2)
    const us = process(0)
    const other = process(1)
    const at = us.map(2, RW, SHARED, pages)
    us.write(at, 0)
    us.write(at, 1)
    const again = us.map(1, PROT_READ, SHARED, pages)
    us.read(again, 0)
    const theirs = other.map(2, RW, SHARED, pages)
    other.read(theirs, 0)

    const [one, two] = smaps(us.view).toSorted((a, b) => b.size - a.size)

    expect(one).toMatchObject({ rss: 2 * PAGE_SIZE, sharedDirty: 2 * PAGE_SIZE, anonymous: 0 })
    // Read around: the other process maps both pages, this one has read one of them a second time.
    const third = Math.floor((PAGE_SIZE * 4096) / 3) / 4096
    expect(one.pss).toBe(third + PAGE_SIZE / 2)
    expect(two.pss).toBe(third)
    expect(smapsRollup(us.view)).toMatchObject({
      rss: 3 * PAGE_SIZE,
      pss: one.pss + two.pss,
      pssShmem: one.pss + two.pss,
      pssAnon: 0,
    })
  })

  test('a frame says what it is, and who sees it where', () => {
    const { process, kernel, object } = inspectable(layout)
    const us = process(0)
    const other = process(1)
    const fd = us.open('/jobs', O_RDWR | O_CREAT)
    us.truncate(fd, 2 * PAGE_SIZE)
    const shared = us.mapFd(0, 2, RW, MAP_SHARED, fd)
    us.write(shared, 1)
    const theirs = other.mapFd(0, 2, PROT_READ, MAP_SHARED, other.open('/jobs', O_RDWR))
    other.read(theirs, 1)
    const own = us.map(1)
    us.write(own, 0)
    const run = us.map(3, RW, SHARED, object(3, CONTIGUOUS))
    us.write(run, 2)
    const steps = us.space.explain(own).steps
    const frameOf = (at: number): number => us.space.explain(at).frame ?? -1

    expect(frame(us.self, frameOf(own))).toMatchObject({
      use: 'process',
      what: 'a private page of process 1',
      mappings: [{ pid: 1, address: own, writable: true }],
      isPinned: false,
    })
    const page = frame(us.self, frameOf(shared + PAGE_SIZE))
    expect(page).toMatchObject({ use: 'shared', what: 'page 1 of /dev/shm/jobs' })
    expect(page.mappings).toEqual(
      expect.arrayContaining([
        { pid: 1, address: shared + PAGE_SIZE, writable: true },
        { pid: 2, address: theirs + PAGE_SIZE, writable: false },
      ]),
    )
    expect(String(page)).toMatch(
      /^frame \d+, byte 0x[0-9a-f]+\n {2}page 1 of \/dev\/shm\/jobs\n {2}process \d at 0x[0-9a-f]+/,
    )
    expect(frame(us.self, frameOf(run + 2 * PAGE_SIZE))).toMatchObject({
      use: 'shared',
      what: expect.stringContaining('page 2 of') as string,
    })
    for (const { table } of steps) expect(frame({ self: us.self }, table).use).toBe('table')
    expect(frame(us.self, kernel.zeroFrame).use).toBe('zero')
    expect(frame(us.self, 0).use).toBe('kernel')
    expect(frame(us.self, us.slotWord(ProcessSlot.descriptors)).what).toBe('the descriptors of process 1')
    expect(frame(us.self, kernel.attachment.frames.geometry.frameCount - 1).use).toBe('free')
    expect(thrownBy(() => frame(us.self, 1e6))).toMatchObject({ code: 'ERR_PAGEFRAME_OUT_OF_RANGE' })
  })

  test('a page that a window pins says so, and in limbo that it is unmapped', () => {
    const { process } = inspectable(layout)
    const us = process(0)
    const at = us.map(1)
    using window = us.space.window(at, PAGE_SIZE)
    const pfn = us.space.explain(at).frame ?? -1

    expect(frame(us.self, pfn)).toMatchObject({ use: 'process', isPinned: true })
    us.space.areas.munmap(at, PAGE_SIZE)

    expect(frame(us.self, pfn)).toMatchObject({ use: 'limbo', isPinned: true, mappings: [] })
    expect(window.bytes).toHaveLength(PAGE_SIZE)
  })

  test('overhead is the fixed part, and what was made since: tables, slabs, descriptors', () => {
    const { process } = inspectable(layout)
    const us = process(0)
    const before = overhead(us.self)
    const at = us.map(1024)
    for (let page = 0; page < 1024; page++) us.write(at, page)
    us.open('/jobs', O_RDWR | O_CREAT)
    const after = overhead({ self: us.self })

    const grown = (after.parts.tables - before.parts.tables) / PAGE_SIZE
    // 1024 pages: two tables of entries or three, and those above them.
    expect(grown).toBeGreaterThanOrEqual(2 + (layout === 'lp64' ? 3 : 2))
    expect(grown).toBeLessThanOrEqual(3 + (layout === 'lp64' ? 6 : 4))
    expect(after.parts.descriptors - before.parts.descriptors).toBe(PAGE_SIZE)
    expect(after.parts.fixed).toBe(before.parts.fixed)
    const { fixed, machine, slabs, tables, descriptors, zeroPage } = after.parts
    expect(after.kernelBytes).toBe(fixed + machine + slabs + tables + descriptors + zeroPage)
    expect(after.share).toBeCloseTo(after.kernelBytes / after.totalBytes)
    expect(String(after)).toMatch(/^fixed: +\d+ kB +\d+\.\d{3} %\n[^]*total: +16384 kB 100.000 %\n$/)
  })

  test('faults are counted for each process', () => {
    const { process } = inspectable(layout)
    const us = process(0)
    const at = us.map(4)
    us.write(at, 0)
    us.read(at, 1)
    us.write(at, 0)

    expect(faults(us.view)).toEqual({ minor: 2, major: 0 })
    expect(String(faults(us.view))).toBe(
      'Major (requiring I/O) page faults: 0\nMinor (reclaiming a frame) page faults: 2\n',
    )
    expect(faults(process(1).view)).toEqual({ minor: 0, major: 0 })
  })

  test('a process that is gone is refused: its slot may be the next one', () => {
    const { process, cpu } = inspectable(layout)
    const us = process(0)
    cpu.store(us.at + ProcessSlot.state, stateWord(7, FREE))

    for (const look of [maps, smaps, smapsRollup, vmaCount, faults]) {
      expect(thrownBy(() => look(us.view))).toMatchObject({ code: 'ESRCH' })
    }
  })
})
