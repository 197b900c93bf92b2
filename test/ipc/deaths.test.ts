/** A process, killed before each write of its calls: names, descriptors and objects agree, and nothing is lost. */

import { expect, test } from 'vitest'
import { O_CREAT, O_EXCL, O_RDWR, O_TRUNC } from '../../src/ipc/constants.ts'
import { ENOENT } from '../../src/words/errno.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { Killed } from '../storage/world.ts'
import { ipcWorld, type IpcWorld, type TestProcess } from './world.ts'

const CREATE = O_CREAT | O_RDWR

interface Story {
  /** The survivor has opened '/old', two pages long, and written to both. */
  readonly before?: (dying: TestProcess) => void
  readonly work: (dying: TestProcess) => void
  readonly after?: (survivor: TestProcess, world: IpcWorld) => void
}

function killEverywhere(story: Story): number {
  for (let step = 0; ; step++) {
    const world = ipcWorld({ sizeMiB: 4 })
    const survivor = world.process(0)
    const dying = world.process(1)
    survivor.close(survivor.open('/warm', CREATE))
    survivor.unlink('/warm')
    const empty = world.settle(survivor.member, dying.member)
    const fd = survivor.open('/old', CREATE)
    survivor.truncate(fd, 2 * PAGE_SIZE)
    for (const page of [0, 1])
      world.cpu.store(world.page(survivor.member, survivor.object(fd), page) * 1024, 77)
    story.before?.(dying)
    world.settle(survivor.member, dying.member)
    const { mortal } = dying.member
    mortal.left = step
    let survived = false
    try {
      story.work(dying)
      survived = true
    } catch (error) {
      if (!(error instanceof Killed)) throw error
    }
    mortal.left = Infinity
    try {
      world.bury(1, dying.member)
      expect(world.problems()).toEqual([])
      story.after?.(survivor, world)
      expect(world.problems()).toEqual([])
      for (const { fd } of survivor.descriptors.entries()) survivor.descriptors.close(fd)
      for (const name of ['/old', '/new']) expect([0, -ENOENT]).toContain(survivor.unlink(name))
      expect([...survivor.member.objects.all()]).toEqual([])
      expect(world.settle(survivor.member)).toBe(empty)
    } catch (error) {
      throw new Error(`killed before write ${step}: ${String(error)}`, { cause: error })
    }
    if (survived) return step
  }
}

test('shm_open of a new name: it is there, or it is not', () => {
  const found = new Set<boolean>()
  const deaths = killEverywhere({
    work: (p) => p.open('/new', CREATE | O_EXCL),
    after: (p) => {
      const fd = p.open('/new', O_RDWR)
      found.add(fd > 0)
      if (fd > 0) expect(p.stat(fd)).toMatchObject({ size: 0, nlink: 1, mode: 0o100600 })
      else expect(p.open('/new', CREATE | O_EXCL)).toBeGreaterThan(0)
    },
  })
  expect([...found]).toEqual([false, true])
  expect(deaths).toBeGreaterThan(20)
})

test('shm_open of a name that is there, with O_TRUNC', () => {
  const sizes = new Set<number>()
  killEverywhere({
    work: (p) => p.open('/old', O_RDWR | O_TRUNC),
    after: (p) => sizes.add(p.stat(3).size),
  })
  expect([...sizes]).toEqual([2 * PAGE_SIZE, 0])
})

test('dup and close, to the last', () => {
  killEverywhere({
    before: (p) => p.open('/new', CREATE),
    work: (p) => {
      p.dup(3)
      p.close(3)
      p.unlink('/new')
      p.close(4)
    },
    after: (p) => {
      expect(p.stat(3)).toMatchObject({ size: 2 * PAGE_SIZE, nlink: 1 })
    },
  })
})

test('shm_unlink: the name is there, or it is not; who has the object open keeps it', () => {
  const found = new Set<boolean>()
  killEverywhere({
    work: (p) => p.unlink('/old'),
    after: (p) => {
      const fd = p.open('/old', O_RDWR)
      found.add(fd > 0)
      expect(p.stat(3)).toMatchObject({ size: 2 * PAGE_SIZE, nlink: fd > 0 ? 1 : 0, blocks: 16 })
    },
  })
  expect([...found]).toEqual([true, false])
})

test('the end of an object that only the dead had', () => {
  killEverywhere({
    before: (p) => {
      p.open('/new', CREATE)
      p.truncate(3, 2 ** 30)
      p.unlink('/new')
    },
    work: (p) => p.close(3),
  })
})

test('ftruncate, longer and shorter', () => {
  const sizes = new Set<number>()
  killEverywhere({
    before: (p) => p.open('/old', O_RDWR),
    work: (p) => {
      p.truncate(3, 2 ** 31)
      p.truncate(3, PAGE_SIZE + 1)
    },
    after: (p) => sizes.add(p.stat(3).size),
  })
  expect([...sizes]).toEqual([2 * PAGE_SIZE, 2 ** 31, PAGE_SIZE + 1])
})
