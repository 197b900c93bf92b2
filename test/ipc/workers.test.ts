/** Names, descriptors and sizes in several processes at once: real workers, some of which are ended in the middle. */

import type { Child } from 'pageframe/machine'
import { describe, expect, test } from 'vitest'
import { boot, start, type ProgramTools } from '../machine/machines.ts'
import { eventually, pause } from '../support.ts'

const statusOf = async (child: Child) => (await child.waitAsync({ timeoutMs: 60_000 })).code

describe('several processes', () => {
  test('that create the same names with O_EXCL: each name has exactly one maker', async () => {
    const machine = await boot()
    const names = 120
    machine.self.shmOpen('/wins', 0o102)
    machine.self.ftruncate(3, 4096)
    const wins = machine.self.mmap(null, 4096, 3, 1, 3)

    const race = ({ self, ...os }: ProgramTools, names: number) => {
      const all = self.mmap(
        null,
        4096,
        os.PROT_READ | os.PROT_WRITE,
        os.MAP_SHARED,
        self.shmOpen('/wins', os.O_RDWR),
      )
      for (let i = 0; i < names; i++) {
        try {
          self.close(self.shmOpen(`/name-${i}`, os.O_RDWR | os.O_CREAT | os.O_EXCL))
          self.add32(all + 4 * i, 1)
        } catch (error) {
          if ((error as { code?: string }).code !== 'EEXIST') throw error
        }
      }
      return 0
    }
    const crew = await Promise.all([1, 2, 3].map(() => start(machine, race, names)))
    for (const child of crew) expect(await statusOf(child)).toBe(0)

    const each = Array.from({ length: names }, (_, i) => machine.self.load32(wins + 4 * i))
    expect(each).toEqual(each.map(() => 1))
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  }, 60_000)

  test('that make the same pages: all see one frame, and no store is lost', async () => {
    const machine = await boot({ memory: '32MiB' })
    const pages = 600
    machine.self.shmOpen('/counts', 0o102)
    machine.self.ftruncate(3, pages * 4096)
    const counts = machine.self.mmap(null, pages * 4096, 3, 1, 3)

    const touch = ({ self, ...os }: ProgramTools, pages: number) => {
      const fd = self.shmOpen('/counts', os.O_RDWR)
      const at = self.mmap(null, pages * 4096, os.PROT_READ | os.PROT_WRITE, os.MAP_SHARED, fd)
      for (let page = 0; page < pages; page++) self.add32(at + page * 4096, 1)
      return 0
    }
    const crew = await Promise.all([1, 2, 3].map(() => start(machine, touch, pages)))
    for (const child of crew) expect(await statusOf(child)).toBe(0)

    const each = Array.from({ length: pages }, (_, page) => machine.self.load32(counts + page * 4096))
    expect(each).toEqual(each.map(() => 3))
    expect(machine.self.fstat(3)).toMatchObject({ blocks: pages * 8 })
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  }, 60_000)

  test('that cut and grow an object while others store to it: what was cut reads as zero, or as what was stored since', async () => {
    const machine = await boot({ memory: '32MiB' })
    machine.self.shmOpen('/cut', 0o102)
    machine.self.ftruncate(3, 8 * 4096)
    machine.self.shmOpen('/epoch', 0o102)
    machine.self.ftruncate(4, 4096)
    const epoch = machine.self.mmap(null, 4096, 3, 1, 4)

    // Each stores the epoch that it has read; before that it says that it stores nothing older any more.
    const store = ({ self, ...os }: ProgramTools, mine: number) => {
      const both = os.PROT_READ | os.PROT_WRITE
      const at = self.mmap(null, 8 * 4096, both, os.MAP_SHARED, self.shmOpen('/cut', os.O_RDWR))
      const epoch = self.mmap(null, 4096, both, os.MAP_SHARED, self.shmOpen('/epoch', os.O_RDWR))
      for (;;) {
        const now = self.load32(epoch)
        if (now < 0) return 0
        self.store32(epoch + 4 * mine, now)
        try {
          for (let page = 1; page < 8; page++) self.store32(at + page * 4096, now)
        } catch (error) {
          if (!(error instanceof os.BusError)) throw error
        }
      }
    }
    const members = [1, 2]
    const crew = await Promise.all(members.map((mine) => start(machine, store, mine)))
    const { self } = machine
    const at = self.mmap(null, 8 * 4096, 3, 1, 3)
    const old: string[] = []
    const hasStored = new Set<number>()
    for (let round = 1; round <= 200; round++) {
      self.store32(epoch, round)
      await eventually(
        () => members.every((mine) => self.load32(epoch + 4 * mine) === round),
        'the new epoch',
      )
      self.ftruncate(3, 4096)
      self.ftruncate(3, 8 * 4096)
      for (let page = 1; page < 8; page++) {
        const seen = self.load32(at + page * 4096)
        if (seen !== 0) hasStored.add(round)
        if (seen !== 0 && seen !== round) old.push(`round ${round}: ${seen}`)
      }
    }
    self.store32(epoch, -1)
    for (const child of crew) expect(await statusOf(child)).toBe(0)

    expect(old).toEqual([])
    expect(hasStored.size).toBeGreaterThan(0)
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  }, 60_000)

  test('that are ended while they open, name, duplicate and close: counts agree, and all of it comes back', async () => {
    const machine = await boot()
    await (await start(machine, () => 0)).waitAsync()
    const churn = ({ self, ...os }: ProgramTools) => {
      for (let round = 0; ; round++) {
        const name = `/churn-${round % 5}`
        const fd = self.shmOpen(name, os.O_RDWR | os.O_CREAT)
        self.ftruncate(fd, (round % 4) * 5000)
        const copy = self.dup(fd)
        self.close(fd)
        try {
          if (round % 2 === 0) self.shmUnlink(name)
        } catch (error) {
          if ((error as { code?: string }).code !== 'ENOENT') throw error
        }
        self.close(copy)
      }
    }
    for (let round = 0; round < 8; round++) {
      const crew = await Promise.all([1, 2, 3].map(() => start(machine, churn)))
      await eventually(() => crew.every((child) => child.isRunning), 'their start')
      await pause(3 + round * 5)
      for (const child of crew) child.kill('SIGKILL')
      for (const child of crew) {
        expect((await child.waitAsync({ timeoutMs: 20_000 })).signal).toBe('SIGKILL')
      }
    }
    for (let i = 0; i < 5; i++) {
      try {
        machine.self.shmUnlink(`/churn-${i}`)
      } catch {
        // It has no name at the moment.
      }
    }

    await eventually(() => machine.check().ok, 'a machine in order').catch(() => undefined)
    expect(machine.check()).toEqual({ ok: true, problems: [] })
    expect(machine.self.shmOpen('/churn-0', 0o302)).toBe(3)
  }, 120_000)
})
