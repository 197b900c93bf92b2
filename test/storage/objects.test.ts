import { describe, expect, test } from 'vitest'
import { Pins } from '../../src/paging/pins.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { WAITERS } from '../../src/sync/mutex.ts'
import { MustNotBlock } from '../../src/threads/live-thread.ts'
import { CONTIGUOUS, MOST_PAGES, ShmObject } from '../../src/storage/shm-object.ts'
import { EFBIG, EINVAL, ENOMEM } from '../../src/words/errno.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { storageWorld, type Member, type StorageWorld } from './world.ts'

const byteAt = (world: StorageWorld, pfn: number, byte: number): number =>
  (world.cpu.load((pfn * PAGE_SIZE + (byte & ~3)) / 4) >>> ((byte & 3) * 8)) & 255

/** Writes and reads bytes of an object, at any place of the pages that it has or had. */
function bytesOf(world: StorageWorld, { objects }: Member, object: number) {
  const pfnOf = (byte: number) => {
    const pfn = world.page(world.first, object, Math.floor(byte / PAGE_SIZE))
    if (pfn <= 0) throw new Error(`no page: ${pfn}`)
    return pfn
  }
  return {
    set: (byte: number, value: number) => {
      world.cpu.fill(pfnOf(byte) * PAGE_SIZE + (byte % PAGE_SIZE), value, 1)
    },
    get: (byte: number) => byteAt(world, pfnOf(byte), byte % PAGE_SIZE),
    resize: (bytes: number) => {
      expect(objects.resize(object, bytes)).toBe(0)
    },
  }
}

describe('pages', () => {
  test('a page is made once, of zeroes, and every thread finds the same frame', () => {
    const world = storageWorld()
    const other = world.member()
    const object = world.make(world.first)
    world.first.objects.resize(object, 3 * PAGE_SIZE)
    world.first.objects.frames.enterKernel()
    expect(world.first.objects.pageAt(object, 1, false)).toBe(0)
    world.first.objects.frames.leaveKernel()

    const pfn = world.page(other, object, 1)

    expect(pfn).toBeGreaterThan(0)
    expect(world.page(world.first, object, 1)).toBe(pfn)
    expect(world.page(world.first, object, 2)).not.toBe(pfn)
    expect(world.cpu.load(pfn * 1024)).toBe(0)
    expect(world.first.objects.pagesPresent(object)).toBe(2)
    expect(world.problems()).toEqual([])
  })

  test('objects of two sizes of index lie apart: pages far from each other, in sparse objects', () => {
    const world = storageWorld()
    const [a, b] = [world.make(world.first), world.make(world.first)]
    for (const object of [a, b]) world.first.objects.resize(object, 2 ** 40)

    const pages = [0, 1, 511, 512, 2 ** 18, 2 ** 28 - 1]
    const frames = [a, b].flatMap((object) => pages.map((page) => world.page(world.first, object, page)))

    expect(new Set(frames).size).toBe(2 * pages.length)
    expect([a, b].flatMap((o) => pages.map((page) => world.page(world.first, o, page)))).toEqual(frames)
    expect(world.first.objects.pagesPresent(b)).toBe(pages.length)
    expect(world.problems()).toEqual([])
  })

  test('a cell that is used again has none of the pages of the object before', () => {
    const world = storageWorld()
    const old = world.make(world.first)
    world.first.objects.resize(old, PAGE_SIZE)
    world.cpu.fill(world.page(world.first, old, 0) * PAGE_SIZE, 7, PAGE_SIZE)
    const other = world.member()
    world.drop(other, old)
    world.settle(other)

    const object = world.make(other)
    other.objects.resize(object, PAGE_SIZE)

    expect(object).toBe(old)
    expect(world.first.objects.pagesPresent(object)).toBe(0)
    expect(world.cpu.load(world.page(world.first, object, 0) * 1024)).toBe(0)
    expect(world.problems()).toEqual([])
  })
})

describe('sizes', () => {
  // What this kernel did with the same calls on tmpfs: ftruncate, and stores and loads through a mapping.
  test('a shorter object, and one of the same size, loses what lies behind its end in the last page; a longer one keeps it', () => {
    const world = storageWorld()
    const object = world.make(world.first)
    const bytes = bytesOf(world, world.first, object)
    bytes.resize(5000)
    bytes.set(0, 1)
    bytes.set(4996, 7)
    bytes.set(6000, 9)

    bytes.resize(5000)
    expect([bytes.get(4996), bytes.get(6000)]).toEqual([7, 0])
    bytes.set(6000, 9)
    bytes.resize(6500)
    expect(bytes.get(6000)).toBe(9)
    bytes.resize(4097)
    expect([bytes.get(4996), bytes.get(6000), bytes.get(0)]).toEqual([0, 0, 1])
    bytes.set(6000, 9)
    bytes.resize(8192)
    expect(bytes.get(6000)).toBe(9)
    bytes.resize(0)
    bytes.resize(8192)
    expect([bytes.get(0), bytes.get(6000)]).toEqual([0, 0])
    expect(world.problems()).toEqual([])
  })

  test('size and pages go together; the sequence moves when the pages change, and only then', () => {
    const world = storageWorld()
    const { objects } = world.first
    const object = world.make(world.first)
    const seen: unknown[] = []
    for (const bytes of [1, 4096, 4097, 2 ** 33 + 5, 2 ** 33 + 6, 4096, 0]) {
      const before = objects.sequence(object)
      expect(objects.resize(object, bytes)).toBe(0)
      seen.push([objects.sizeOf(object), objects.pages(object), objects.sequence(object) - before])
    }

    expect(seen).toEqual([
      [1, 1, 1],
      [4096, 1, 0],
      [4097, 2, 1],
      [2 ** 33 + 5, 2 ** 21 + 1, 1],
      [2 ** 33 + 6, 2 ** 21 + 1, 0],
      [4096, 1, 1],
      [0, 0, 1],
    ])
  })

  test('what is no size changes nothing', () => {
    const world = storageWorld()
    const { objects } = world.first
    const object = world.make(world.first)
    objects.resize(object, 5)

    expect(objects.resize(object, -1)).toBe(-EINVAL)
    expect(objects.resize(object, NaN)).toBe(-EINVAL)
    expect(objects.resize(object, Infinity)).toBe(-EFBIG)
    expect(objects.resize(object, MOST_PAGES * PAGE_SIZE + 1)).toBe(-EFBIG)
    expect(objects.sizeOf(object)).toBe(5)
    expect(objects.resize(object, MOST_PAGES * PAGE_SIZE)).toBe(0)
    expect(objects.pages(object)).toBe(MOST_PAGES)
  })

  test('pages that are cut are unmapped before they leave the index, and free when nobody can translate them', () => {
    const world = storageWorld()
    const { first, cpu } = world
    const object = world.make(first)
    first.objects.resize(object, 4 * PAGE_SIZE)
    for (const page of [0, 1, 2, 3]) world.map(0, page, world.page(first, object, page))
    const online = world.slotAt(0)
    cpu.store(online + TlbState.tid, first.tid)
    cpu.store(online + TlbState.online, 1)
    const order: unknown[] = []
    first.objects.onCut((at, firstPage) => {
      let present = 0
      first.objects.index.visit(at, () => present++)
      order.push([at, firstPage, first.objects.pages(at), present])
    })
    const pfn = world.page(first, object, 2)
    world.settle()
    const before = first.attachment.frames.freeBytes()

    first.objects.resize(object, 2 * PAGE_SIZE)

    expect(order).toEqual([[object, 2, 2, 4]])
    expect([0, 1, 2, 3].map((page) => world.isMapped(0, page))).toEqual([true, true, false, false])
    expect(world.settle()).toBe(before)
    expect(cpu.load(online + TlbState.gen)).not.toBe(cpu.load(online + TlbState.ack))
    cpu.store(online + TlbState.ack, cpu.load(online + TlbState.gen))
    expect(world.settle()).toBe(before + 2 * PAGE_SIZE)
    first.objects.resize(object, 4 * PAGE_SIZE)
    expect(first.objects.pagesPresent(object)).toBe(2)
    expect(pfn).toBeGreaterThan(0)
    expect(world.problems()).toEqual([])
  })

  test('a page that came too late lies behind the end, is zero, and goes with the next cut', () => {
    const world = storageWorld()
    const { first } = world
    const object = world.make(first)
    first.objects.resize(object, 4 * PAGE_SIZE)
    world.page(first, object, 3)
    first.objects.resize(object, 2 * PAGE_SIZE)
    const late = world.page(first, object, 3) // by a thread that looked at pages() before
    expect(first.objects.pagesPresent(object)).toBe(0)
    expect(world.problems()).toEqual([])
    world.settle()
    const before = first.attachment.frames.freeBytes()

    first.objects.resize(object, PAGE_SIZE)

    expect(world.settle()).toBe(before + PAGE_SIZE)
    world.cpu.store(world.page(first, object, 3) * 1024, 1)
    expect(world.problems()).toEqual([expect.stringContaining('page 3 is behind the end, and not zero')])
    expect(late).toBeGreaterThan(0)
  })
})

describe('contiguous objects', () => {
  test('are one run of frames, each of which says whose it is; the run comes with the first size and goes with size 0', () => {
    const world = storageWorld()
    const { first, cpu } = world
    const object = world.make(first, CONTIGUOUS)
    expect(world.page(first, object, 0)).toBe(0)
    const before = world.settle()

    expect(first.objects.resize(object, 5 * PAGE_SIZE - 10)).toBe(0)
    const pages = [0, 1, 2, 3, 4].map((page) => world.page(first, object, page))
    expect(pages).toEqual(pages.map((_, i) => pages[0] + i))
    expect(world.page(first, object, 5)).toBe(0)
    const { tableAt } = first.attachment.frames.geometry
    expect(pages.map((pfn) => cpu.load(tableAt + pfn * 8 + 5))).toEqual(pages.map(() => object))
    expect(first.objects.pagesPresent(object)).toBe(5)
    expect(world.problems()).toEqual([])

    cpu.fill(pages[4] * PAGE_SIZE, 255, PAGE_SIZE)
    expect(first.objects.resize(object, 6 * PAGE_SIZE)).toBe(-EINVAL)
    expect(first.objects.resize(object, 4 * PAGE_SIZE)).toBe(-EINVAL)
    expect(first.objects.resize(object, 5 * PAGE_SIZE - 4)).toBe(0)
    expect(cpu.load(pages[4] * 1024 + 1023)).toBe(-1)
    expect(first.objects.resize(object, 5 * PAGE_SIZE - 8)).toBe(0)
    expect([cpu.load(pages[4] * 1024 + 1023), cpu.load(pages[4] * 1024 + 1021)]).toEqual([0, -1])
    expect(world.problems()).toEqual([])

    expect(first.objects.resize(object, 0)).toBe(0)
    expect(world.settle()).toBe(before)
    expect(first.objects.resize(object, 2 * PAGE_SIZE)).toBe(0)
    expect(cpu.load(world.page(first, object, 1) * 1024)).toBe(0)
    expect(world.problems()).toEqual([])
    world.drop(first, object)
    expect(world.settle()).toBe(before)
  })

  test('one that does not fit is refused, and nothing is lost', () => {
    const world = storageWorld()
    const { objects } = world.first
    const object = world.make(world.first, CONTIGUOUS)
    const before = world.settle()

    expect(objects.resize(object, 16 * 2 ** 20)).toBe(-ENOMEM)

    expect([objects.sizeOf(object), objects.pages(object)]).toEqual([0, 0])
    expect(world.settle()).toBe(before)
    expect(objects.resize(object, PAGE_SIZE)).toBe(0)
    expect(world.problems()).toEqual([])
  })

  test('a view that is pinned to any of its frames keeps the whole run', () => {
    const world = storageWorld()
    const { first } = world
    const object = world.make(first, CONTIGUOUS)
    first.objects.resize(object, 4 * PAGE_SIZE)
    const pins = new Pins(first.attachment.frames)
    const cells = pins.pin([{ pfn: world.page(first, object, 2), count: 1 }], 5)
    if (typeof cells === 'number') throw new Error('no pins')
    world.settle()
    const before = first.attachment.frames.freeBytes()

    world.drop(first, object)

    expect(world.settle()).toBe(before)
    pins.unpin(cells)
    expect(world.settle()).toBe(before + 4 * PAGE_SIZE)
    expect(world.problems()).toEqual([])
  })
})

describe('references', () => {
  test('the last one takes the object with it: pages, tables and cell return', () => {
    const world = storageWorld()
    const { first } = world
    world.drop(first, world.make(first)) // slabs that were made stay
    const before = world.settle()
    const object = world.make(first)
    first.objects.resize(object, 2 ** 32)
    for (const page of [0, 5, 600, 2 ** 19]) world.page(first, object, page)
    world.hold(first, object, 1)
    world.drop(first, object)
    expect(first.objects.isObject(object)).toBe(true)
    expect(world.problems()).toEqual([])

    world.drop(first, object, 1)

    expect(first.objects.isObject(object)).toBe(false)
    expect(world.settle()).toBe(before)
    expect([...first.objects.all()]).toEqual([])
    expect(world.problems()).toEqual([])
  })

  test('what is not published can be discarded', () => {
    const world = storageWorld()
    const { first } = world
    world.drop(first, world.make(first))
    const before = world.settle()

    const at = first.objects.create({ flags: 0, mode: 0 })
    first.objects.resize(at, 3 * PAGE_SIZE)
    world.page(first, at, 2)
    first.objects.discard(at)

    expect(world.settle()).toBe(before)
    expect([...first.objects.all()]).toEqual([])
  })

  test('a thread that must not block is told so, with nothing done', () => {
    const world = storageWorld()
    const { first, reaper } = world
    const object = world.make(first)

    first.objects.withLock(object, () => {
      expect(() => reaper.objects.resize(object, 5)).toThrow(MustNotBlock)
    })
    expect(reaper.objects.sizeOf(object)).toBe(0)
    expect(reaper.objects.resize(object, 5)).toBe(0)
    expect(world.problems()).toEqual([])
  })

  test.each([false, true])(
    'a thread that must not block, and cannot give a lock up for that reason, gives it up later (the end: %s)',
    (isLast) => {
      const world = storageWorld()
      const { first, reaper, cpu } = world
      const object = world.make(first)
      const lockAt = object + ShmObject.lock
      let bucket = 0

      // Somebody waits for the lock, and somebody else has the bucket that those who wait are in.
      expect(() => {
        reaper.objects.withLock(object, () => {
          cpu.or(lockAt, WAITERS)
          bucket = first.attachment.lot.lockBucket(0, lockAt)
          if (!isLast) return
          cpu.store(world.heldAt(0, 0), 0)
          reaper.objects.unrefLocked(object)
        })
      }).toThrow(MustNotBlock)
      expect(() => {
        reaper.objects.settle(object)
      }).toThrow(MustNotBlock)
      first.attachment.lot.unlockBucket(bucket)
      reaper.objects.settle(object)

      expect(first.objects.isObject(object)).toBe(!isLast)
      if (!isLast) first.objects.withLock(object, () => undefined)
      expect(world.problems()).toEqual([])
      expect([...first.objects.all()]).toHaveLength(isLast ? 0 : 1)
    },
  )

  test('the check finds a reference that is not counted, one that is counted twice, and pages that are not its own', () => {
    const world = storageWorld()
    const { first, cpu } = world
    const object = world.make(first)
    first.objects.resize(object, PAGE_SIZE)
    const pfn = world.page(first, object, 0)
    const { tableAt } = first.attachment.frames.geometry

    cpu.store(world.heldAt(2, 0), object)
    expect(world.problems()).toEqual([expect.stringContaining('says it has 1 references, and 2 are found')])
    cpu.store(world.heldAt(2, 0), 0)
    first.objects.refLocked(object)
    expect(world.problems()).toEqual([expect.stringContaining('says it has 2 references, and 1 are found')])
    first.objects.unrefLocked(object)
    cpu.store(tableAt + pfn * 8 + 5, 12)
    expect(world.problems()).toEqual([expect.stringContaining('is not its own')])
    cpu.store(tableAt + pfn * 8 + 5, object)
    cpu.store(tableAt + pfn * 8 + 6, 12)
    expect(world.problems()).toEqual([expect.stringContaining('says otherwise')])
    cpu.store(tableAt + pfn * 8 + 6, 0)
    expect(world.problems()).toEqual([])
  })
})
