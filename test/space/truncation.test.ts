/** Truncation, seen by the spaces that map the object: each process is a thread of its own, and they take turns here. */

import { describe, expect, test } from 'vitest'
import { BusError } from '../../src/paging/signals.ts'
import { PROT_NONE } from '../../src/space/constants.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { thrownBy } from '../support.ts'
import { machine, PRIVATE, RW, SHARED } from './fault-world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  test('pages that are cut off are gone everywhere, at the next access; those before the end stay', () => {
    const m = machine(layout)
    const object = m.object(4)
    const processes = [m.process(0), m.process(1)]
    const at = processes.map((p) => p.map(4, RW, SHARED, object))
    processes.forEach((p, i) => {
      for (let page = 0; page < 4; page++) p.mmu.store32(at[i] + page * PAGE_SIZE, page + 1)
    })

    expect(processes[0].kernel.objects.resize(object, 2 * PAGE_SIZE)).toBe(0)

    processes.forEach((p, i) => {
      expect(p.mmu.load32(at[i] + PAGE_SIZE)).toBe(2)
      expect(thrownBy(() => p.mmu.load32(at[i] + 2 * PAGE_SIZE))).toBeInstanceOf(BusError)
    })
    expect(m.problems()).toEqual([])

    expect(processes[1].kernel.objects.resize(object, 4 * PAGE_SIZE)).toBe(0)
    expect(processes[0].mmu.load32(at[0] + 2 * PAGE_SIZE)).toBe(0)
    processes[0].mmu.store32(at[0] + 3 * PAGE_SIZE, 9)
    expect(processes[1].mmu.load32(at[1] + 3 * PAGE_SIZE)).toBe(9)
    expect(m.problems()).toEqual([])
  })

  test('private copies are cut off with what they are copies of, also hidden ones', () => {
    const m = machine(layout)
    const object = m.object(4)
    const [p, other] = [m.process(0), m.process(1)]
    const at = p.map(4, RW, PRIVATE, object)
    for (let page = 0; page < 4; page++) p.mmu.store32(at + page * PAGE_SIZE, page + 1)
    p.space.areas.mprotect(at + 3 * PAGE_SIZE, PAGE_SIZE, PROT_NONE)

    expect(other.kernel.objects.resize(object, PAGE_SIZE)).toBe(0)

    p.space.areas.mprotect(at + 3 * PAGE_SIZE, PAGE_SIZE, RW)
    expect(p.mmu.load32(at)).toBe(1)
    for (const page of [1, 2, 3]) {
      expect(thrownBy(() => p.mmu.load32(at + page * PAGE_SIZE))).toBeInstanceOf(BusError)
    }
    expect(m.problems()).toEqual([])
    other.kernel.objects.resize(object, 4 * PAGE_SIZE)
    expect(p.mmu.load32(at + PAGE_SIZE)).toBe(0)
  })

  test('frames that were cut off come back when each process that mapped them has looked, or is away', () => {
    const m = machine(layout)
    const object = m.object(8)
    const [p, cutter] = [m.process(0), m.process(1)]
    const at = p.map(8, RW, SHARED, object)
    for (let page = 0; page < 8; page++) p.mmu.store32(at + page * PAGE_SIZE, 1)
    const { limbo, objects } = cutter.kernel

    objects.resize(object, 4 * PAGE_SIZE)
    limbo.drain()
    expect(limbo.pending).toBe(4)
    p.mmu.load32(at) // its next access
    limbo.drain()
    expect(limbo.pending).toBe(0)

    objects.resize(object, PAGE_SIZE)
    limbo.drain()
    expect(limbo.pending).toBe(3)
    p.endRun() // back in its event loop
    limbo.drain()
    expect(limbo.pending).toBe(0)
    expect(m.problems()).toEqual([])
  })

  test('only the part of a mapping behind the end is concerned, whatever its offset', () => {
    const m = machine(layout)
    const object = m.object(8)
    const p = m.process(0)
    const parts = [0, 2, 4, 6].map((offset) => p.map(2, RW, SHARED, object, offset))
    parts.forEach((at) => {
      p.mmu.store32(at, 1)
      p.mmu.store32(at + PAGE_SIZE, 1)
    })

    p.kernel.objects.resize(object, 5 * PAGE_SIZE)

    const isThere = (at: number) => {
      try {
        p.mmu.load32(at)
        return true
      } catch {
        return false
      }
    }
    expect(parts.map((at) => [isThere(at), isThere(at + PAGE_SIZE)])).toEqual([
      [true, true],
      [true, true],
      [true, false],
      [false, false],
    ])
    expect(m.problems()).toEqual([])
  })

  test('a cut that breaks off between unmapping and taking: who finishes it waits for those that had translated', () => {
    const m = machine(layout)
    const object = m.object(4)
    const [p, dying, other] = [m.process(0), m.process(1), m.process(2)]
    const at = p.map(4, RW, SHARED, object)
    for (let page = 0; page < 4; page++) p.mmu.store32(at + page * PAGE_SIZE, page + 1)
    // As a death there, after the first callback: nothing is in its batch, and the entries are empty.
    dying.kernel.objects.onCut(() => {
      throw new Error('killed')
    })
    expect(() => dying.kernel.objects.resize(object, PAGE_SIZE)).toThrow('killed')
    const { objects, limbo } = other.kernel

    objects.withLock(object, () => undefined)
    limbo.drain()
    expect(limbo.pending).toBe(3)
    expect(thrownBy(() => p.mmu.load32(at + PAGE_SIZE))).toBeInstanceOf(BusError)
    expect(p.mmu.load32(at)).toBe(1)
    for (const { endRun } of [p, dying, other]) endRun()
    limbo.drain()
    expect(limbo.pending).toBe(0)
    expect(m.problems()).toEqual([])
  })

  test('a copy that comes too late: the page that was shown before it is forgotten too', () => {
    const m = machine(layout)
    const object = m.object(2)
    const [p, cutter] = [m.process(0), m.process(1)]
    const shared = cutter.map(2, RW, SHARED, object)
    cutter.mmu.store32(shared + PAGE_SIZE, 7)
    const at = p.map(2, RW, PRIVATE, object)
    expect(p.mmu.load32(at + PAGE_SIZE)).toBe(7)
    cutter.space.areas.munmap(shared, 2 * PAGE_SIZE)
    // The cut counts the sequence up while the page is copied, and comes to the entry when the copy is out again.
    const { objects } = p.kernel
    const sequence = objects.sequence.bind(objects)
    let looks = 0
    objects.sequence = (of) => {
      looks++
      if (looks === 3) cutter.kernel.objects.resize(object, PAGE_SIZE)
      return sequence(of) + (looks === 2 ? 1 : 0)
    }

    expect(() => {
      p.mmu.store32(at + PAGE_SIZE, 8)
    }).toThrow(BusError)
    expect(looks).toBe(3)
    expect(thrownBy(() => p.mmu.load32(at + PAGE_SIZE))).toBeInstanceOf(BusError)
    expect(m.problems()).toEqual([])
  })
})
