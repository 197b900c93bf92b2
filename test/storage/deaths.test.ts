/** One thread, killed before each write of each operation: what the reaper leaves is whole, and nothing is lost. */

import { describe, expect, test } from 'vitest'
import { CONTIGUOUS } from '../../src/storage/shm-object.ts'
import { MustNotBlock } from '../../src/threads/live-thread.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { Killed, storageWorld, type Member, type StorageWorld } from './world.ts'

interface Story {
  /** What there is before. Its result is the object. */
  readonly before: (world: StorageWorld, dying: Member) => number
  readonly work: (world: StorageWorld, dying: Member, object: number) => void
  /** What the floors above do about the dead: gives back what process 3 refers to. */
  readonly after?: (world: StorageWorld, object: number) => void
}

/** Runs the story with a death before write 0, 1, 2 ... until the work gets to its end. The number of deaths. */
function killEverywhere(story: Story, check: (world: StorageWorld, object: number) => void): number {
  for (let step = 0; ; step++) {
    const world = storageWorld({ sizeMiB: 4 })
    const dying = world.member()
    const empty = world.settle(dying)
    const object = story.before(world, dying)
    world.settle(dying)
    dying.mortal.left = step
    let survived = false
    try {
      story.work(world, dying, object)
      survived = true
    } catch (error) {
      if (!(error instanceof Killed)) throw error
    }
    if (survived) dying.mortal.left = Infinity
    try {
      world.reap(dying, () => {
        dropAll(world, 3)
        story.after?.(world, object)
      })
      world.settle()
      check(world, object)
      expect(world.problems()).toEqual([])
      // All that is left goes, and all of the memory is there again.
      for (const process of [0, 1, 2, 3]) dropAll(world, process)
      const objects = [...world.first.objects.all()]
      expect(objects).toEqual([])
      expect(world.settle()).toBe(empty)
      expect(world.problems()).toEqual([])
    } catch (error) {
      throw new Error(`killed before write ${step}: ${String(error)}`, { cause: error })
    }
    if (survived) return step
  }
}

/** As dropAreas() does, in the supervisor. */
function dropAll(world: StorageWorld, process: number): void {
  for (let i = 0; i < 8; i++) {
    const at = world.heldAt(process, i)
    const object = world.cpu.load(at)
    if (object === 0) continue
    if (!world.reaper.objects.isObject(object)) {
      world.cpu.store(at, 0)
      continue
    }
    world.reaper.objects.withLock(object, () => {
      world.cpu.store(at, 0)
      world.reaper.objects.unrefLocked(object)
    })
  }
}

const shared = (world: StorageWorld, pages: number, flags = 0) => {
  const object = world.make(world.first, flags)
  world.first.objects.resize(object, pages * PAGE_SIZE)
  return object
}

const sizes = (world: StorageWorld, object: number): string =>
  `${world.first.objects.sizeOf(object)} bytes, ${world.first.objects.pages(object)} pages`

describe('a thread dies', () => {
  test('while it makes an object: there is none, or one that its process referred to', () => {
    const deaths = killEverywhere(
      { before: () => 0, work: (world, dying) => world.make(dying, 0, 3) },
      (world) => {
        expect([...world.first.objects.all()]).toEqual([])
      },
    )
    expect(deaths).toBeGreaterThan(8)
  })

  test('while it makes a contiguous object with a size', () => {
    killEverywhere(
      {
        before: () => 0,
        work: (_world, { objects, mortal }) => {
          const at = objects.create({ flags: CONTIGUOUS, mode: 0 })
          objects.resize(at, 3 * PAGE_SIZE)
          mortal.cpu.store(_world.heldAt(3, 0), at)
          objects.refLocked(at)
          objects.publish(at)
        },
      },
      (world) => {
        expect([...world.first.objects.all()]).toEqual([])
      },
    )
  })

  test('while it makes a page: there is none, or it is the object’s', () => {
    killEverywhere(
      {
        before: (world) => shared(world, 600),
        work: (world, dying, object) => {
          world.page(dying, object, 555)
          world.page(dying, object, 3)
        },
      },
      (world, object) => {
        expect(world.page(world.first, object, 555)).toBeGreaterThan(0)
      },
    )
  })

  test('while it makes an object longer: it has one size or the other', () => {
    const seen = new Set<string>()
    killEverywhere(
      {
        before: (world) => shared(world, 2),
        work: (_, dying, object) => dying.objects.resize(object, 2 ** 31 + 77),
      },
      (world, object) => seen.add(sizes(world, object)),
    )
    expect([...seen]).toEqual(['8192 bytes, 2 pages', `${2 ** 31 + 77} bytes, ${2 ** 19 + 1} pages`])
  })

  test('while it makes an object shorter: it has one size or the other, and what was cut is nowhere mapped', () => {
    const seen = new Set<string>()
    const deaths = killEverywhere(
      {
        before: (world) => {
          const object = shared(world, 6)
          for (let page = 0; page < 6; page++) {
            const pfn = world.page(world.first, object, page)
            world.map(0, page, pfn)
            world.cpu.fill(pfn * PAGE_SIZE, 1, PAGE_SIZE)
          }
          return object
        },
        work: (_, dying, object) => dying.objects.resize(object, 2 * PAGE_SIZE + 8),
      },
      (world, object) => {
        const { objects } = world.first
        seen.add(sizes(world, object))
        const kept = objects.pages(object)
        expect([kept, objects.pagesPresent(object)]).toEqual([kept, kept])
        for (let page = 0; page < 6; page++) expect(world.isMapped(0, page)).toBe(page < kept)
        const word = world.page(world.first, object, 2) * 1024
        expect(world.cpu.load(word + 1)).toBe(0x01010101)
        expect(world.cpu.load(word + 2)).toBe(kept === 3 ? 0 : 0x01010101)
      },
    )
    expect([...seen]).toEqual(['24576 bytes, 6 pages', '8200 bytes, 3 pages'])
    expect(deaths).toBeGreaterThan(40)
  })

  test('while it makes one of gigabytes shorter: the size in two words is not torn', () => {
    const seen = new Set<string>()
    const [long, short] = [2 ** 31 + 5, 2 ** 30 + 900]
    killEverywhere(
      {
        before: (world) => {
          const object = world.make(world.first)
          world.first.objects.resize(object, long)
          const pfn = world.page(world.first, object, 2 ** 19)
          world.cpu.fill(pfn * PAGE_SIZE, 1, PAGE_SIZE)
          return object
        },
        work: (_, dying, object) => dying.objects.resize(object, short),
      },
      (world, object) => seen.add(sizes(world, object)),
    )
    expect([...seen]).toEqual([`${long} bytes, ${2 ** 19 + 1} pages`, `${short} bytes, ${2 ** 18 + 1} pages`])
  })

  test('while a contiguous object gets its run, and gives it back', () => {
    const seen = new Set<string>()
    killEverywhere(
      {
        before: (world) => shared(world, 0, CONTIGUOUS),
        work: (_, dying, object) => {
          dying.objects.resize(object, 5 * PAGE_SIZE)
          dying.objects.resize(object, 0)
          dying.objects.resize(object, 2 * PAGE_SIZE)
        },
      },
      (world, object) => {
        seen.add(sizes(world, object))
        const { objects } = world.first
        if (objects.pages(object) === 0) expect(objects.resize(object, 8 * PAGE_SIZE)).toBe(0)
        expect(world.problems()).toEqual([])
        expect(objects.resize(object, 0)).toBe(0)
        world.settle()
      },
    )
    expect(seen.size).toBe(3)
  })

  test('while it takes and gives back references: they are counted anew', () => {
    killEverywhere(
      {
        before: (world) => shared(world, 1),
        work: (world, dying, object) => {
          world.hold(dying, object, 3)
          world.hold(dying, object, 2)
          world.drop(dying, object, 3)
        },
      },
      (world, object) => {
        expect(world.first.objects.isObject(object)).toBe(true)
      },
    )
  })

  test('while it gives back the last reference: the object goes, with all it has', () => {
    const ends = new Set<number>()
    const deaths = killEverywhere(
      {
        before: (world, dying) => {
          const object = world.make(dying, 0, 3)
          dying.objects.resize(object, 2 ** 31)
          for (const page of [0, 1, 700]) world.page(dying, object, page)
          return object
        },
        work: (world, dying, object) => {
          world.drop(dying, object, 3)
        },
      },
      (world) => ends.add([...world.first.objects.all()].length),
    )
    expect([...ends]).toEqual([0])
    expect(deaths).toBeGreaterThan(40)
  })

  test('while a contiguous object goes', () => {
    killEverywhere(
      {
        before: (world, dying) => {
          const object = world.make(dying, CONTIGUOUS, 3)
          dying.objects.resize(object, 9 * PAGE_SIZE)
          return object
        },
        work: (world, dying, object) => {
          world.drop(dying, object, 3)
        },
      },
      (world) => {
        expect([...world.first.objects.all()]).toEqual([])
      },
    )
  })

  test('after one who died in the middle, the next thread finishes a change of size, without the reaper’s step', () => {
    for (let step = 0; ; step++) {
      const world = storageWorld({ sizeMiB: 4 })
      const dying = world.member()
      const object = shared(world, 4)
      for (let page = 0; page < 4; page++) world.page(world.first, object, page)
      dying.mortal.left = step
      let survived = true
      try {
        dying.objects.resize(object, PAGE_SIZE)
      } catch {
        survived = false
      }
      world.reap(dying)

      expect(world.first.objects.resize(object, 3 * PAGE_SIZE)).toBe(0)

      expect(world.problems()).toEqual([])
      if (survived) break
    }
  })
})

test('the supervisor meets a page that a living thread is about to own: it leaves the entry as it is', () => {
  const world = storageWorld({ sizeMiB: 4 })
  const { frames } = world.first.attachment
  const pfn = frames.allocFrame()
  const entryAt = world.entryAt(0, 0)
  world.map(0, 0, pfn)
  const entry = world.cpu.load(entryAt)
  const volley = world.reaper.limbo.open()
  if (typeof volley === 'number') throw new Error('no batch')

  expect(() => volley.take(entryAt, entry)).toThrow(MustNotBlock)
  expect(world.cpu.load(entryAt)).toBe(entry)
  frames.own(pfn, 1)
  expect(volley.take(entryAt, entry)).toBe(true)
  volley.close()
  expect(world.cpu.load(entryAt)).toBe(0)
})
