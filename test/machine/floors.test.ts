/** Processes are threads like others: everyday objects work in them, in any memory, and their deaths are noticed there. */

import { inspect } from 'node:util'
import { Channel, Mutex, Semaphore } from 'pageframe'
import { expect, test } from 'vitest'
import { freshName, eventually } from '../support.ts'
import { boot, machineScript, start } from './machines.ts'

test('locks and channels work in processes, in the default memory and in the machine’s', async () => {
  const machine = await boot()
  const name = freshName()
  const channel = Channel.open(name, { capacity: '64KiB', from: 'one', to: 'one' })
  const permits = new Semaphore(0, { memory: machine.memory })

  const child = await start(machine, ({ self, pageframe: { Channel, Semaphore } }, name, permits) => {
    Channel.open(name, { from: 'one', to: 'one' }).send(Uint8Array.of(self.pid))
    Semaphore.from(permits).acquire()
    return 4
  }, name, permits) // prettier-ignore

  expect([...(channel.receive({ timeoutMs: 10_000 }) ?? [])]).toEqual([child.pid])
  permits.release()
  expect(await child.waitAsync()).toEqual({ code: 4, signal: null })
})

test('a process that is killed while it holds a lock hands it on, whatever memory that is in', async () => {
  const machine = await boot()
  const locks = [new Mutex(), new Mutex({ memory: machine.memory })]
  const child = await start(machine, async ({ pageframe: { Mutex } }, handles) => {
    for (const handle of handles) Mutex.from(handle).lock()
    await new Promise(() => setInterval(() => undefined, 1000))
  }, locks) // prettier-ignore
  await eventually(() => locks.every(({ owner }) => owner !== null), 'its locks')

  child.kill()

  for (const lock of locks) {
    const token = lock.lock({ timeoutMs: 5000 })
    expect(token.ownerDied).toBe(true)
    lock.markConsistent()
    token.unlock()
  }
  expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGTERM' })
})

test('a process that is blocked in a lock is ended by kill() at once', async () => {
  const machine = await boot()
  const lock = new Mutex({ memory: machine.memory })
  const held = lock.lock()
  const words = new Int32Array(new SharedArrayBuffer(4))
  const child = await start(machine, ({ pageframe: { Mutex } }, handle, seen) => {
    const there = Mutex.from(handle)
    seen[0] = 1
    there.lock()
  }, lock, words) // prettier-ignore
  await eventually(() => Atomics.load(words, 0) === 1, 'its wait')

  child.kill('SIGKILL')

  expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: null, signal: 'SIGKILL' })
  held.unlock()
  expect(lock.tryLock()).not.toBeNull()
})

test('a machine in debug mode, whose every address is checked, does the same', async () => {
  const machine = await boot({ debug: true, memory: '8MiB' })

  const child = await start(machine, ({ self, ...os }) => {
    const at = self.mmap(null, 65_536, os.PROT_READ | os.PROT_WRITE, os.MAP_PRIVATE | os.MAP_ANONYMOUS)
    self.fill(at, 3, 65_536)
    self.munmap(at, 8192)
    return self.load8(at + 8192)
  })

  expect(await child.waitAsync()).toEqual({ code: 3, signal: null })
  expect(machine.check()).toEqual({ ok: true, problems: [] })
})

test('two machines in one process know nothing of each other', async () => {
  const [one, two] = [await boot(), await boot({ layout: 'ilp32' })]
  one.self.shmOpen('/x', 0o102)

  const [first, second] = await Promise.all([
    start(one, ({ self }) => self.pid),
    start(two, ({ self }) => self.pid),
  ])

  expect([first.wait().code, second.wait().code]).toEqual([2, 2])
  expect(() => two.self.shmOpen('/x', 2)).toThrow('ENOENT')
  await one[Symbol.asyncDispose]()
  expect(await (await start(two, () => 8)).waitAsync()).toEqual({ code: 8, signal: null })
})

test('processes print as one line', async () => {
  const machine = await boot()

  expect(inspect(machine.self)).toBe("[process 1 'init' running]")
})

test('where the host refuses address space, machines run in plain memory', async () => {
  const ended = await machineScript(
    async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const status = (
        await machine.spawn(
          program,
          running(() => 9),
        )
      ).wait()
      const check = machine.check()
      await machine[Symbol.asyncDispose]()
      return [status.code, check.ok]
    },
    [],
    { before: 'ulimit -v 8000000', flags: ['--max-old-space-size=200'] },
  )

  expect(ended.result).toEqual([9, true])
})
