import { describe, expect, test } from 'vitest'
import { MustNotBlock, NonBlockingThread } from '../../src/threads/live-thread.ts'
import { PROT_NONE, PROT_READ } from '../../src/space/constants.ts'
import { releasePins, teardownSpace } from '../../src/space/teardown.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ANON, machine, PRIVATE, RW, SHARED, SHARED_ANON } from './fault-world.ts'

describe.each(['lp64', 'ilp32'] as const)('%s: when a process is dead', (layout) => {
  test('every frame returns: pages, copies, hidden pages, tables, shared anonymous memory; what others map stays', () => {
    const m = machine(layout)
    const object = m.object(8)
    const survivor = m.process(0)
    const kept = survivor.map(8, RW, SHARED, object)
    survivor.mmu.fill(kept, 1, 8 * PAGE_SIZE)
    const reaper = m.kernelOf(m.attach())
    const free = () => {
      reaper.attachment.frames.drainRetired()
      return reaper.attachment.frames.freeBytes()
    }

    const live = (index: number) => {
      const p = m.process(index)
      p.mmu.fill(p.map(600), 2, 600 * PAGE_SIZE)
      p.mmu.load32(p.map(4))
      const copies = p.map(8, RW, PRIVATE, object)
      for (const page of [0, 3]) p.mmu.store8(copies + page * PAGE_SIZE, 3)
      p.space.areas.mprotect(copies, 2 * PAGE_SIZE, PROT_NONE)
      p.mmu.load32(p.map(8, PROT_READ, SHARED, object))
      p.mmu.fill(p.map(20, RW, SHARED_ANON), 4, 20 * PAGE_SIZE)
      p.mmu.store8(p.map(1, RW, ANON, 0, 0, 0x1000_0000), 5)
      expect(m.problems()).toEqual([])
      p.frames.detach()
      teardownSpace(reaper, p.at)
      expect(m.problems()).toEqual([])
      releasePins(reaper, p.at)
      return free()
    }

    const first = live(1) // slabs that were made stay
    expect(live(2)).toBe(first)
    expect(live(3)).toBe(first)
    expect(m.problems()).toEqual([])
    expect(survivor.mmu.load8(kept + 7 * PAGE_SIZE)).toBe(1)
    expect(m.kernel.objects.countRefs(object)).toBe(1)
  })

  test('whoever may not wait is told so, and nothing is lost: it calls again', () => {
    const m = machine(layout)
    const object = m.object(1)
    const [dead, holder] = [m.process(0), m.process(1)]
    dead.mmu.store32(dead.map(1, RW, SHARED, object), 1)
    dead.mmu.store32(dead.map(1), 1)
    const reaper = m.kernelOf(m.attach(NonBlockingThread))

    holder.kernel.objects.withLock(object, () => {
      expect(() => {
        teardownSpace(reaper, dead.at)
      }).toThrow(MustNotBlock)
    })
    teardownSpace(reaper, dead.at)

    expect(m.kernel.objects.countRefs(object)).toBe(0)
    expect(m.problems()).toEqual([])
  })
})
