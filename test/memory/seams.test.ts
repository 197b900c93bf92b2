/** The seams for the floors above, with a small double of such a floor: pressure, and the reaper's steps by kind. */

import { SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { reserve } from '../../src/host/buffer.ts'
import { compileCpu } from '../../src/host/cpu.ts'
import { Attachment, attachReserved, claim, format, liveThread, view } from '../../src/memory/attachment.ts'
import { reap, type KindRepair } from '../../src/memory/reaper.ts'
import { lock, ownerOf, releaseDead } from '../../src/sync/mutex.ts'
import {
  CLAIMED,
  FREE,
  isInState,
  moveState,
  RUNNING,
  slotOf,
  stateOf,
  ThreadSlot,
} from '../../src/threads/slot.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { ENOMEM } from '../../src/words/errno.ts'
import { i32, layout, words } from '../../src/words/layout.ts'

const MiB = 1024 * 1024

/** A kind of object as a floor above would have it: a list of frames. */
const Shelf = layout('Shelf', 128, {
  status: i32,
  generation: i32,
  entry: i32,
  spare: i32,
  lock: words(4),
  pfn: words(24),
})
const SLOTS_PER_SHELF = 24

/** A memory with threads that are no more than their slots: all run in this one. */
function stage(): { thread: (index?: number) => Attachment } {
  const backing = reserve(2 * MiB)
  const module = compileCpu()
  if (backing === undefined) throw new Error('no memory')
  format(backing, module, 'm9.9', 'stage', false)
  return {
    thread: (index) => {
      const seen = view(backing, module, 'stage')
      const { slot, tid } = index === undefined ? claim(seen, 'stage', '') : attachReserved(seen, index, '')
      moveState(seen.cpu, seen.map.slotsAt, tid, CLAIMED, RUNNING)
      return new Attachment('m9.9', 'stage', seen, liveThread(seen, slot, tid))
    },
  }
}

function takeAll({ frames }: Attachment): number[] {
  const taken: number[] = []
  for (;;) {
    const pfn = frames.allocFrame()
    if (pfn < 0) return taken
    taken.push(pfn)
  }
}

test('when memory is out, those who can free some are asked with no lock held, and the allocation is tried again', () => {
  const memory = stage()
  const [user, reaper] = [memory.thread(0), memory.thread(1)]
  const cache = takeAll(user)
  const asked: number[] = []
  user.frames.onPressure((wanted) => {
    asked.push(wanted)
    const pfn = cache.pop()
    if (pfn === undefined) return false
    user.frames.freeFrame(pfn)
    // No lock is held: another thread may allocate and free meanwhile, and so may this one.
    const other = reaper.frames.allocFrame()
    if (other > 0) reaper.frames.freeFrame(other)
    return true
  })

  const got = [user.frames.allocFrame(), user.frames.allocFrame()]

  expect(got.every((pfn) => pfn > 0)).toBe(true)
  expect(new Set(got).size).toBe(2)
  expect(asked.length).toBeGreaterThan(0)
  expect(asked.every((wanted) => wanted >= 1)).toBe(true)
  for (const pfn of got) user.frames.freeFrame(pfn)
})

test('when nobody has anything to free, it is ENOMEM, and everybody was asked', () => {
  const { frames } = stage().thread(0)
  const asked: string[] = []
  frames.onPressure(() => asked.push('first') === 0)
  frames.onPressure(() => asked.push('second') === 0)

  expect(frames.allocRun(64 * MiB)).toBe(-ENOMEM)

  expect(asked).toEqual(['first', 'second'])
  expect(frames.check()).toEqual([])
})

test('one who says that it freed something, again and again, does not keep an allocation for ever', () => {
  const { frames } = stage().thread(0)
  let asked = 0
  frames.onPressure(() => ++asked > 0)

  expect(frames.allocRun(64 * MiB)).toBe(-ENOMEM)

  expect(asked).toBeLessThan(100)
})

test('after a death the steps of a kind from a floor above run on its objects, live and unfinished', () => {
  const memory = stage()
  const [maker, reaper, dead] = [memory.thread(0), memory.thread(1), memory.thread()]
  const make = ({ frames, cpu }: Attachment, count: number) => {
    const at = frames.allocCell(Shelf.signature, Shelf.sizeof)
    for (let i = 0; i < count; i++) {
      const pfn = frames.allocFrame()
      cpu.store(at + Shelf.pfn + i, pfn)
      frames.own(pfn, at)
    }
    return at
  }
  const foreign = make(maker, 2)
  maker.frames.publishCell(foreign)
  maker.frames.detach()
  const before = reaper.frames.freeBytes()
  const mine = make(dead, 3)
  dead.frames.publishCell(mine)
  lock(dead.lot, mine + Shelf.lock, 0)
  const unfinished = make(dead, 5)
  const calls: [string, number, number?][] = []
  const steps: KindRepair[] = [
    {
      signature: Shelf.signature,
      afterDeath: ({ lot }, at, tid) => {
        // The kind knows where its locks lie; the lot and the allocator work by now.
        calls.push(['afterDeath', at, tid])
        releaseDead(lot, at + Shelf.lock, tid)
        expect(ownerOf(lot, at + Shelf.lock)).toBe(0)
      },
      unfinished: ({ frames, cpu }, at) => {
        calls.push(['unfinished', at])
        for (let i = 0; i < SLOTS_PER_SHELF; i++) {
          const pfn = cpu.exchange(at + Shelf.pfn + i, 0)
          if (pfn !== 0) frames.freeFrame(pfn)
        }
      },
    },
  ]

  const { tid } = dead.thread
  reap(reaper, tid, steps)

  expect(calls).toContainEqual(['afterDeath', foreign, tid])
  expect(calls).toContainEqual(['afterDeath', mine, tid])
  expect(calls).toContainEqual(['unfinished', unfinished])
  expect(calls).toHaveLength(3)
  expect(reaper.frames.isLiveCell(unfinished)).toBe(false)
  const state = reaper.cpu.load(slotOf(reaper.map.slotsAt, tid) + ThreadSlot.state)
  expect(stateOf(state)).toBe(FREE)
  expect(isInState(reaper.cpu, reaper.map.slotsAt, tid, RUNNING)).toBe(false)
  reaper.frames.detach()
  expect(reaper.frames.check()).toEqual([])
  expect(before - reaper.frames.freeBytes()).toBe(3 * PAGE_SIZE)
})

test('the default memory of this very process is untouched by all that', () => {
  expect(SharedMemory.default.check().problems).toEqual([])
})
