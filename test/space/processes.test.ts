/**
 * Faults, truncation, windows and memory that comes and goes, in real processes at the same time.
 *
 * A page of the segment holds 0 or its own number + 1, whoever wrote it; private memory holds MINE. So a frame that is used
 * by two shows.
 */

import { describe, expect, test } from 'vitest'
import type { Machine } from 'pageframe/machine'
import { boot, start, type ProgramTools } from '../machine/machines.ts'
import { pause } from '../support.ts'

const PAGES = 64
const RUN_MS = 1200

/** What a process does for a while: returns how often something was wrong. */
type Duty = (tools: ProgramTools, ms: number, pages: number) => number | Promise<number>

const toucher: Duty = async (
  { self, O_RDWR, PROT_READ, PROT_WRITE, MAP_SHARED, MAP_PRIVATE, BusError },
  ms,
  pages,
) => {
  const fd = self.shmOpen('/segment', O_RDWR)
  const areas = [MAP_SHARED, MAP_PRIVATE, MAP_SHARED].map((flags) =>
    self.mmap(null, pages * 4096, PROT_READ | PROT_WRITE, flags, fd),
  )
  let wrong = 0
  for (const end = Date.now() + ms; Date.now() < end;) {
    await Promise.resolve() // a run ends
    for (let i = 0; i < 2000; i++) {
      const page = Math.floor(Math.random() * pages)
      const at = areas[i % 3] + page * 4096 + 64
      try {
        const seen = self.load32(at)
        if (seen !== 0 && seen !== page + 1) wrong++
        if (i % 5 === 0) self.store32(at, page + 1)
      } catch (error) {
        if (!(error instanceof BusError)) throw error
      }
    }
    const again = areas.shift() ?? 0
    self.munmap(again, pages * 4096)
    areas.push(
      self.mmap(
        null,
        pages * 4096,
        PROT_READ | PROT_WRITE,
        Math.random() < 0.5 ? MAP_SHARED : MAP_PRIVATE,
        fd,
      ),
    )
  }
  return Math.min(wrong, 200)
}

const viewer: Duty = async ({ self, O_RDWR, PROT_READ, PROT_WRITE, MAP_SHARED, BusError }, ms, pages) => {
  const fd = self.shmOpen('/segment', O_RDWR)
  const base = self.mmap(null, pages * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
  let wrong = 0
  for (const end = Date.now() + ms; Date.now() < end;) {
    await Promise.resolve() // a run ends
    for (let i = 0; i < 50; i++) {
      const first = Math.floor(Math.random() * (pages - 4))
      try {
        const window = self.window(base + first * 4096, 4 * 4096)
        for (let round = 0; round < 20; round++) {
          let page = first
          for (const run of window.runs) {
            const words = new Int32Array(run.buffer, run.byteOffset, run.length / 4)
            for (let word = 16; word < words.length; word += 1024, page++) {
              if (words[word] !== 0 && words[word] !== page + 1) wrong++
              words[word] = page + 1
            }
          }
        }
        window.dispose()
      } catch (error) {
        if (!(error instanceof BusError)) throw error
      }
    }
  }
  return Math.min(wrong, 200)
}

const churner: Duty = async ({ self, PROT_READ, PROT_WRITE, MAP_PRIVATE, MAP_ANONYMOUS }, ms) => {
  const MINE = -7
  let wrong = 0
  for (const end = Date.now() + ms; Date.now() < end;) {
    await Promise.resolve() // a run ends
    const pages = 1 + Math.floor(Math.random() * 200)
    const at = self.mmap(null, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
    for (let page = 0; page < pages; page++) {
      if (self.load32(at + page * 4096 + 64) !== 0) wrong++
      self.store32(at + page * 4096 + 64, MINE)
    }
    for (let page = 0; page < pages; page++) if (self.load32(at + page * 4096 + 64) !== MINE) wrong++
    self.munmap(at, pages * 4096)
  }
  return Math.min(wrong, 200)
}

const truncater: Duty = async ({ self, O_RDWR }, ms, pages) => {
  const fd = self.shmOpen('/segment', O_RDWR)
  for (const end = Date.now() + ms; Date.now() < end;) {
    await Promise.resolve() // a run ends
    self.ftruncate(fd, Math.floor(Math.random() * (pages + 1)) * 4096)
  }
  return 0
}

function prepare(machine: Machine): void {
  const { self } = machine
  const fd = self.shmOpen('/segment', 0o102) // O_CREAT | O_RDWR
  self.ftruncate(fd, PAGES * 4096)
  self.close(fd)
}

function run(machine: Machine, duty: Duty, ms = RUN_MS) {
  return start(machine, duty as (tools: ProgramTools, ...args: unknown[]) => unknown, ms, PAGES)
}

describe.each(['lp64', 'ilp32'] as const)('%s', (layout) => {
  test('no process ever sees another’s page, whatever is cut off and given to others', async () => {
    const machine = await boot({ layout })
    prepare(machine)

    const children = await Promise.all(
      [toucher, viewer, churner, truncater].map((duty) => run(machine, duty)),
    )
    const ended = await Promise.all(children.map((child) => child.waitAsync()))

    expect(ended).toEqual(children.map(() => ({ code: 0, signal: null })))
    expect(machine.check().problems).toEqual([])
  }, 30_000)

  test('nor when they are killed at any moment; and everything returns', async () => {
    const machine = await boot({ layout })
    prepare(machine)
    const free = () => machine.memory.byteLength - machine.memory.usedBytes
    const duties = [toucher, viewer, churner, truncater]
    const rounds = 5
    const left: number[] = []
    for (let round = 0; round < rounds; round++) {
      const children = await Promise.all(duties.map((duty) => run(machine, duty, 60_000)))
      await pause(60 + Math.random() * 80)
      for (const child of children) child.kill('SIGKILL')
      const ended = await Promise.all(children.map((child) => child.waitAsync()))
      expect(ended.map(({ signal }) => signal)).toEqual(duties.map(() => 'SIGKILL'))
      expect(machine.check().problems).toEqual([])
      left.push(free())
    }
    const fd = machine.self.shmOpen('/segment', 0o2)
    machine.self.ftruncate(fd, 0)
    expect(machine.check().problems).toEqual([])
    // Slabs stay, and may grow; pages do not.
    expect(Math.max(...left) - left[rounds - 1]).toBeLessThan((PAGES + 64) * 4096)
  }, 60_000)
})
