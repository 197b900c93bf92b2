/** Deaths: what a process leaves when it is ended anywhere, and what becomes of those whom it had made. */

import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { eventually, pause } from '../support.ts'
import { boot, machineScript, start } from './machines.ts'

describe('what a process held is back when it has ended', () => {
  test('frames, areas, tables, descriptors: as before', async () => {
    const machine = await boot()
    const once = await start(machine, () => 0) // opens the slabs that everybody needs
    await once.waitAsync()
    const fd = machine.self.shmOpen('/kept', 0o102)
    machine.self.ftruncate(fd, 8192)
    machine.self.load32(machine.self.mmap(null, 8192, 1, 1, fd)) // the object keeps its pages
    const used = machine.memory.usedBytes

    const child = await start(machine, ({ self, ...os }) => {
      const both = os.PROT_READ | os.PROT_WRITE
      const at = self.mmap(null, 4 * 2 ** 20, both, os.MAP_PRIVATE | os.MAP_ANONYMOUS)
      for (let page = 0; page < 200; page++) self.store32(at + page * 4096, page)
      const fd = self.shmOpen('/kept', os.O_RDWR)
      const shared = self.mmap(null, 8192, both, os.MAP_SHARED, fd)
      self.dup(fd)
      self.shmOpen('/left', os.O_RDWR | os.O_CREAT)
      self.shmUnlink('/left')
      return self.load32(shared)
    })
    await child.waitAsync()

    await eventually(() => machine.memory.usedBytes <= used + 3 * 4096, 'what it held')
    expect(machine.check()).toEqual({ ok: true, problems: [] })
    expect(machine.self.fstat(fd).nlink).toBe(1)
  })

  test('also what it had views of: pinned until its worker is gone', async () => {
    const machine = await boot()
    await (await start(machine, () => 0)).waitAsync()
    const used = machine.memory.usedBytes

    const child = await start(machine, ({ self, ...os }) => {
      const at = self.mmap(null, 65_536, os.PROT_READ | os.PROT_WRITE, os.MAP_PRIVATE | os.MAP_ANONYMOUS)
      const window = self.window(at, 65_536)
      self.munmap(at, 65_536)
      window.runs[0][0] = 7
      return window.runs[0][0]
    })

    expect(await child.waitAsync()).toEqual({ code: 7, signal: null })
    await eventually(() => machine.memory.usedBytes <= used + 4 * 4096, 'what it had pinned')
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  })

  test('wherever it was ended: 30 that map, fault, truncate and unmap, terminated in the middle', async () => {
    const machine = await boot({ memory: '32MiB' })
    machine.self.shmOpen('/common', 0o102)
    const churn = ({ self, ...os }: Parameters<Parameters<typeof start>[1]>[0]) => {
      const both = os.PROT_READ | os.PROT_WRITE
      const fd = self.shmOpen('/common', os.O_RDWR | os.O_CREAT)
      for (let round = 0; ; round++) {
        self.ftruncate(fd, 16 * 4096)
        const shared = self.mmap(null, 16 * 4096, both, os.MAP_SHARED, fd)
        const own = self.mmap(null, 40 * 4096, both, os.MAP_PRIVATE | os.MAP_ANONYMOUS)
        for (let page = 0; page < 40; page++) self.store32(own + page * 4096, round)
        try {
          for (let page = 0; page < 16; page++) self.store32(shared + page * 4096, round)
          if (round % 3 === 0) self.ftruncate(fd, 3 * 4096)
        } catch (error) {
          if (!(error instanceof os.BusError)) throw error
        }
        self.mprotect(own + 4096, 8192, os.PROT_READ)
        self.munmap(own, 40 * 4096)
        self.munmap(shared, 16 * 4096)
      }
    }

    for (let round = 0; round < 10; round++) {
      const crew = [await start(machine, churn), await start(machine, churn), await start(machine, churn)]
      await eventually(() => crew.every((child) => child.isRunning), 'their start')
      await pause(5 + round * 7)
      for (const child of crew) child.kill('SIGKILL')
      for (const child of crew) expect((await child.waitAsync({ timeoutMs: 20_000 })).signal).toBe('SIGKILL')
    }

    await eventually(() => machine.check().ok, 'a machine in order').catch(() => undefined)
    expect(machine.check()).toEqual({ ok: true, problems: [] })
    expect(machine.processes()).toHaveLength(1)
  }, 120_000)
})

describe('a parent that dies', () => {
  test('leaves its children to the first process; nobody asks how they end', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const parent = await machine.spawn(
        program,
        running(async ({ self }, url) => {
          await self.spawn(new URL(url), {
            args: { source: '() => new Promise((r) => setTimeout(r, 300))', args: [] },
          })
          await self.spawn(new URL(url), { args: { source: '() => 0', args: [] } })
          return 1
        }, program.href),
      )
      await parent.waitAsync()
      const after = machine.processes().map(({ parent, state }) => `${parent} ${state}`)
      const until = Date.now() + 5000
      while (machine.processes().length > 1 && Date.now() < until) await new Promise((r) => setTimeout(r, 5))
      const left = machine.processes().length
      const check = machine.check()
      await machine[Symbol.asyncDispose]()
      return [after[0], after.slice(1).every((each) => each.startsWith('1 ')), left, check]
    }, [])

    expect(ended.result).toEqual(['0 running', true, 1, { ok: true, problems: [] }])
    expect(ended.stderr).toBe('')
  })

  test('while a child is an EMBRYO takes it along, whether the supervisor has heard of it or not', async () => {
    const machine = await boot()
    for (let i = 0; i < 8; i++) {
      const parent = await start(machine, ({ self }, url) => {
        for (let n = 0; n < 3; n++) void self.spawn(new URL(url), { args: { source: '() => 0', args: [] } })
        if (self.pid % 2 === 0) self.exit(0)
        for (;;);
      }, new URL('../fixtures/program.mjs', import.meta.url).href) // prettier-ignore
      if (parent.pid % 2 !== 0) {
        await eventually(() => machine.processes().length > 3, 'its children')
        parent.kill('SIGKILL')
      }
      await parent.waitAsync()
    }

    await eventually(() => machine.processes().length === 1, 'the end of all of them')
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  }, 60_000)
})

test('a machine that is booted in a worker ends with that worker, its processes too', async () => {
  const words = new Int32Array(new SharedArrayBuffer(8))
  const booter = new Worker(new URL('../fixtures/booter.mjs', import.meta.url), { workerData: words })
  await eventually(() => Atomics.load(words, 0) === 1, 'its process')

  await booter.terminate()

  await pause(1500) // the supervisor waits a second for the exit of a worker that it did not start
  const before = Atomics.load(words, 1)
  await pause(100)
  expect(Atomics.load(words, 1)).toBe(before)
})
