/** The face of a process: arguments become numbers first, failures are Linux's, and what is wrong throws before it changes. */

import {
  BusError, current, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, O_CREAT, O_RDONLY, O_RDWR, PROT_NONE, PROT_READ,
  PROT_WRITE, SegmentationFault, type Machine,
} from 'pageframe/machine' // prettier-ignore
import { vmaCount } from 'pageframe/inspect'
import { beforeEach, describe, expect, test } from 'vitest'
import { rejectionOf, thrownBy } from '../support.ts'
import { boot, start } from './machines.ts'

const BOTH = PROT_READ | PROT_WRITE
const PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS

describe.each(['lp64', 'ilp32'] as const)('in a machine of layout %s', (layout) => {
  let machine: Machine

  beforeEach(async () => {
    machine = await boot({ layout })
  })

  test('every width is loaded and stored, at any alignment, over the end of a page too', () => {
    const { self } = machine
    const at = self.mmap(null, 8192, BOTH, PRIVATE)

    for (const where of [at, at + 3, at + 4094]) {
      self.store8(where, 0x1ff)
      expect(self.load8(where)).toBe(0xff)
      self.store16(where, 0xfffe)
      expect(self.load16(where)).toBe(0xfffe)
      self.store32(where, -5)
      expect(self.load32(where)).toBe(-5)
      self.store64(where, -6n)
      expect(self.load64(where)).toBe(-6n)
      self.storeF32(where, 1.5)
      expect(self.loadF32(where)).toBe(1.5)
      self.storeF64(where, Math.PI)
      expect(self.loadF64(where)).toBe(Math.PI)
    }
    self.write(at + 4000, Uint8Array.of(1, 2, 3))
    self.copy(at + 5000, at + 4000, 3)
    self.fill(at + 5003, 9, 2)
    const bytes = new Uint8Array(5)
    self.read(at + 5000, bytes)
    expect([...bytes]).toEqual([1, 2, 3, 9, 9])
    expect(self.faults.minor).toBeGreaterThanOrEqual(2)
    expect(self.explain(at).frame).toBeGreaterThan(0)
  })

  test('bad accesses throw what Linux sends', () => {
    const { self } = machine
    const at = self.mmap(null, 4096, PROT_READ, PRIVATE)
    const fd = self.shmOpen('/short', O_RDWR | O_CREAT)
    const behind = self.mmap(null, 4096, BOTH, MAP_SHARED, fd)

    expect(thrownBy(() => { self.store32(at, 1) })).toMatchObject({ signal: 'SIGSEGV', code: 'SEGV_ACCERR', address: at }) // prettier-ignore
    expect(thrownBy(() => self.load8(16))).toBeInstanceOf(SegmentationFault)
    expect(thrownBy(() => self.load8(behind))).toBeInstanceOf(BusError)
    self.mprotect(at, 4096, PROT_NONE)
    expect(thrownBy(() => self.load8(at))).toMatchObject({ code: 'SEGV_ACCERR' })
    self.munmap(at, 4096)
    expect(thrownBy(() => self.load8(at))).toMatchObject({ code: 'SEGV_MAPERR' })
  })

  test.each(['shared', 'private'])('%s areas of one opening merge, those of two do not', (kind) => {
    const { self } = machine
    const flags = (kind === 'shared' ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED
    const first = self.shmOpen('/twice', O_RDWR | O_CREAT)
    self.ftruncate(first, 8192)
    const at = 0x2000_0000

    const areas = [first, self.dup(first), self.shmOpen('/twice', O_RDWR)].map((fd) => {
      self.mmap(at, 4096, BOTH, flags, first)
      self.mmap(at + 4096, 4096, BOTH, flags, fd, 4096)
      const count = vmaCount(self)
      self.munmap(at, 8192)
      return count
    })

    expect(areas).toEqual([1, 1, 2])
  })

  test('shared memory has a name, descriptors and a size', () => {
    const { self } = machine

    const fd = self.shmOpen('/list', O_RDWR | O_CREAT, 0o644)
    self.ftruncate(fd, 10_000)
    const other = self.dup(self.shmOpen('list', O_RDONLY))

    expect([fd, other]).toEqual([3, 5])
    expect(self.fstat(other)).toMatchObject({ size: 10_000, nlink: 1, uid: 0, gid: 0, mode: 0o100644 })
    self.shmUnlink('/list')
    expect(self.fstat(other).nlink).toBe(0)
    self.close(fd)
    expect(thrownBy(() => self.fstat(fd))).toMatchObject({ code: 'EBADF', errno: -9, syscall: 'fstat' })
    expect(thrownBy(() => self.shmOpen('/list', O_RDWR))).toMatchObject({
      code: 'ENOENT',
      syscall: 'shm_open',
    })
  })

  test('contiguous shared memory is one view', () => {
    const { self } = machine
    const fd = self.shmOpen('/view', O_RDWR | O_CREAT, 0o600, { contiguous: true })
    self.ftruncate(fd, 65_536)
    const at = self.mmap(null, 65_536, BOTH, MAP_SHARED, fd)

    using window = self.window(at, 65_536)
    window.as(Int32Array)[5] = 55

    expect(window.bytes).toHaveLength(65_536)
    expect(self.load32(at + 20)).toBe(55)
  })
})

test('the same seed gives the same addresses; none are random when that is off', async () => {
  const places = async (options: object) => (await boot(options)).self.mmap(null, 4096, PROT_READ, PRIVATE)

  const [one, same, other] = [await places({ seed: 1 }), await places({ seed: 1 }), await places({ seed: 2 })]
  const [fixed, again] = [await places({ randomize: false }), await places({ randomize: false, seed: 3 })]

  expect(one).toBe(same)
  expect(one).not.toBe(other)
  expect(fixed).toBe(again)
})

test('arguments are numbers before anything happens: no code of the caller runs in the middle', async () => {
  const { self } = await boot()
  let isCalled = false
  const hostile = { valueOf: () => { isCalled = true; return 4096 } } as unknown as number // prettier-ignore

  for (const call of [
    () => self.mmap(hostile, 4096, PROT_READ, PRIVATE),
    () => self.mmap(null, hostile, PROT_READ, PRIVATE),
    () => self.mmap(null, 4096, hostile, PRIVATE),
    () => { self.munmap(hostile, 4096) },
    () => { self.mprotect(0, hostile, 0) },
    () => { self.ftruncate(hostile, 0) },
    () => self.shmOpen('/x', hostile),
    () => self.shmOpen(hostile as unknown as string, 0),
    () => { self.close(hostile) },
    () => self.dup('3' as unknown as number),
    () => self.window(hostile, 1),
  ]) {
    expect(thrownBy(call)).toBeInstanceOf(TypeError)
  } // prettier-ignore
  expect(isCalled).toBe(false)
})

test('a length that is no number is refused, and changes nothing', async () => {
  const { self } = await boot()
  const at = self.mmap(null, 4096, BOTH, PRIVATE)

  expect(thrownBy(() => self.mmap(null, NaN, BOTH, PRIVATE))).toMatchObject({ code: 'ENOMEM' })
  expect(thrownBy(() => { self.munmap(at, NaN) })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
  expect(thrownBy(() => { self.mprotect(at, NaN, PROT_NONE) })).toMatchObject({ code: 'ENOMEM' }) // prettier-ignore

  self.store32(at, 3)
  expect(self.load32(at)).toBe(3)
})

test('an address below zero reads as one', async () => {
  const { self } = await boot()

  expect(thrownBy(() => self.load8(-1)).message).toBe('SIGSEGV, SEGV_MAPERR at -0x1')
})

test('options of shmOpen() are read before anything happens; contiguous is true or false', async () => {
  const machine = await boot()
  const { self } = machine
  const wrong = { contiguous: 'no' as unknown as boolean }
  expect(thrownBy(() => self.shmOpen('/wrong', O_RDWR | O_CREAT, 0o600, wrong))).toMatchObject({
    code: 'ERR_PAGEFRAME_INVALID_ARGUMENT',
  })
  expect(thrownBy(() => self.shmOpen('/wrong', O_RDWR))).toMatchObject({ code: 'ENOENT' })

  const hostile = {
    get contiguous() {
      void machine[Symbol.asyncDispose]()
      return true
    },
  }

  expect(thrownBy(() => self.shmOpen('/late', O_RDWR | O_CREAT, 0o600, hostile))).toMatchObject({
    code: 'ESTALE',
  })
})

test('in a machine that is gone there is no window, and nothing to explain', async () => {
  const machine = await boot()
  const { self } = machine
  const at = self.mmap(null, 4096, BOTH, PRIVATE)
  self.store32(at, 1)

  await machine[Symbol.asyncDispose]()

  expect(thrownBy(() => self.window(at, 4096))).toMatchObject({ code: 'ESTALE' })
  expect(thrownBy(() => self.explain(at))).toMatchObject({ code: 'ESTALE' })
})

test('64-bit numbers from tables of Linux are taken as bigints too', async () => {
  const { self } = await boot()

  const at = self.mmap(0n as unknown as number, 4096n as unknown as number, BOTH, PRIVATE)

  expect(self.load8(at)).toBe(0)
})

describe('processes and their places', () => {
  test('a parent and its child share what they both map, by name', async () => {
    const machine = await boot()
    const { self } = machine
    const fd = self.shmOpen('/both', O_RDWR | O_CREAT)
    self.ftruncate(fd, 4096)
    const at = self.mmap(null, 4096, BOTH, MAP_SHARED, fd)
    self.store32(at, 20)

    const child = await start(machine, ({ self, ...os }) => {
      const fd = self.shmOpen('/both', os.O_RDWR)
      const at = self.mmap(null, 4096, os.PROT_READ | os.PROT_WRITE, os.MAP_SHARED, fd)
      self.store32(at + 4, 22)
      return self.load32(at) + self.load32(at + 4)
    })

    expect(await child.waitAsync()).toEqual({ code: 42, signal: null })
    expect(self.load32(at + 4)).toBe(22)
  })

  test('what one cuts off is gone for the other, at its next access', async () => {
    const machine = await boot()
    const { self } = machine
    const fd = self.shmOpen('/cut', O_RDWR | O_CREAT)
    self.ftruncate(fd, 8192)
    const words = new Int32Array(new SharedArrayBuffer(4))
    const child = await start(machine, ({ self, ...os }, seen) => {
      const fd = self.shmOpen('/cut', os.O_RDWR)
      const at = self.mmap(null, 8192, os.PROT_READ, os.MAP_SHARED, fd)
      try {
        for (;;) {
          self.load32(at + 4096)
          Atomics.store(seen, 0, 1)
        }
      } catch (error) {
        return (error as { code: string }).code === 'BUS_ADRERR' ? 6 : 7
      }
    }, words) // prettier-ignore
    while (Atomics.load(words, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 1))

    self.ftruncate(fd, 4096)

    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: 6, signal: null })
  })

  test('current() is for processes that were spawned, exit() too', async () => {
    const machine = await boot()

    expect(thrownBy(() => current())).toMatchObject({ code: 'ERR_PAGEFRAME_NOT_A_PROCESS' })
    expect(thrownBy(() => machine.self.exit(0))).toMatchObject({ code: 'ERR_PAGEFRAME_NOT_SPAWNED' })
  })

  test('a machine that was disposed says so, and its process too', async () => {
    const machine = await boot()
    const { self } = machine
    const at = self.mmap(null, 4096, BOTH, PRIVATE)
    self.store32(at, 1)

    await machine[Symbol.asyncDispose]()

    expect(thrownBy(() => machine.check())).toMatchObject({ code: 'ERR_PAGEFRAME_MACHINE_ENDED' })
    expect(await rejectionOf(machine.spawn('x'))).toMatchObject({ code: 'ERR_PAGEFRAME_MACHINE_ENDED' })
    expect(thrownBy(() => self.load32(at))).toMatchObject({ code: 'ESRCH' })
    expect(thrownBy(() => self.mmap(null, 4096, BOTH, PRIVATE))).toMatchObject({ code: 'ESTALE' })
    expect(thrownBy(() => self.shmOpen('/x', 0x42))).toMatchObject({ code: 'ESTALE' })
    expect(await rejectionOf(self.spawn('x'))).toMatchObject({ code: 'ESTALE' })
    expect(await rejectionOf(machine.adopt(null as never))).toMatchObject({
      code: 'ERR_PAGEFRAME_MACHINE_ENDED',
    })
    await machine[Symbol.asyncDispose]() // twice is once
  })
})

test.each([
  [{ memory: '1MiB' }, RangeError, /memory must be at least 2 MiB/],
  [{ memory: 'big' }, TypeError, /memory must be/],
  [{ layout: 'lp128' }, TypeError, /layout must be 'lp64' or 'ilp32'/],
  [{ debug: 1 }, TypeError, /debug must be true or false/],
  [{ seed: -1 }, RangeError, /seed must be a whole number/],
  [{ randomize: 'no' }, TypeError, /randomize must be/],
  [{ worker: 5 }, TypeError, /worker must be a function/],
])('boot(%o) is refused', async (options, type, message) => {
  const error = await rejectionOf(boot(options as object))

  expect(error).toBeInstanceOf(type)
  expect(error.message).toMatch(message)
})
