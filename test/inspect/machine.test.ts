import { frame, faults, maps, overhead, smaps, smapsRollup, vmaCount } from 'pageframe/inspect'
import {
  Machine,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  O_CREAT,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from 'pageframe/machine'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { eventually, LIMIT_MS, thrownBy } from '../support.ts'

const PAGE = 4096
const SEGMENT = '/looked at'
const STAYS = 0x10000000
const CHANGES = 0x20000000
const ROUNDS = 300

let machine: Machine

beforeEach(async () => {
  machine = await Machine.boot({ memory: '16MiB' })
})

afterEach(async () => {
  await machine[Symbol.asyncDispose]()
})

test('who maps and unmaps meanwhile is seen as it was at one moment, again and again', async () => {
  const { self } = machine
  const fd = self.shmOpen(SEGMENT, O_CREAT | O_RDWR)
  self.ftruncate(fd, PAGE)
  const at = self.mmap(null, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd)
  const args = { segment: SEGMENT, stays: STAYS, changes: CHANGES }
  const child = await machine.spawn(new URL('../fixtures/mapping-process.mjs', import.meta.url), { args })
  await eventually(() => self.load32(at) > 0, 'the first round')

  const shapes = new Set<string>()
  for (let i = 0; i < ROUNDS; i++) {
    const [first, ...changing] = smaps(child)
    expect(first).toMatchObject({ start: STAYS, perms: 'rw-s', name: `/dev/shm${SEGMENT}`, rss: PAGE })
    expect(first.pss).toBe(PAGE / 2)
    shapes.add(changing.map(({ perms, size }) => `${perms} ${size / PAGE}`).join(', '))
    expect(frame(machine, self.explain(at).frame ?? 0).mappings).toHaveLength(2)
  }
  const before = self.load32(at)
  await eventually(() => self.load32(at) > before, 'another round')
  child.kill('SIGKILL')
  await child.waitAsync({ timeoutMs: LIMIT_MS })

  // What lies between two system calls of its, and nothing else.
  const whole = ['', 'rw-p 8', 'rw-p 2, ---p 2, rw-p 4', 'rw-p 2, ---p 2, rw-p 1, rw-p 2']
  for (const shape of shapes) expect(whole).toContain(shape)
  expect(shapes.size).toBeGreaterThan(1)
  expect(machine.check().problems).toEqual([])
})

test('a process that has ended and was waited for is no process any more: ESRCH', async () => {
  const entry = new URL('../fixtures/mapping-process.mjs', import.meta.url)
  const child = await machine.spawn(entry)
  await child.waitAsync({ timeoutMs: LIMIT_MS })

  for (const look of [maps, smaps, smapsRollup, vmaCount, faults]) {
    expect(thrownBy(() => look(child))).toMatchObject({ code: 'ESRCH', syscall: look.name })
  }
})

test('what is neither a process nor a machine is refused, and so is a machine that has ended', async () => {
  const other = await Machine.boot({ memory: '16MiB' })
  await other[Symbol.asyncDispose]()

  for (const look of [maps, smaps, overhead]) {
    expect(thrownBy(() => look(null as never)).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
    expect(thrownBy(() => look({} as never)).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
    expect(thrownBy(() => look(other.self)).code).toBe('ESTALE')
  }
})

test('the kernel has its share, and gives back what a process no longer needs', () => {
  const { self } = machine
  const before = overhead(machine)
  const length = 4 * 2 ** 20
  const at = self.mmap(null, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
  for (let page = 0; page < length; page += PAGE) self.store32(at + page, 1)

  const full = overhead(machine)
  self.munmap(at, length)
  const after = overhead(self)

  expect(full.parts.tables).toBeGreaterThanOrEqual(before.parts.tables + 2 * PAGE)
  expect(full.kernelBytes / full.totalBytes).toBe(full.share)
  expect(after.parts.tables).toBeLessThanOrEqual(full.parts.tables - 2 * PAGE)
  expect(vmaCount(self)).toBe(0)
})
