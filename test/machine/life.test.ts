/** The life of a process: what it starts with, how it ends, and who is told. */

import { MessageChannel } from 'node:worker_threads'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { eventually, pause, rejectionOf, thrownBy } from '../support.ts'
import { boot, machineScript, PROGRAM, start } from './machines.ts'

describe('a process that is spawned', () => {
  test('gets its arguments by structured cloning, and what it returns is its status', async () => {
    const machine = await boot()
    const shared = new Int32Array(new SharedArrayBuffer(8))

    const child = await start(
      machine,
      ({ self }, { numbers, map, words }) => {
        words[0] = self.pid
        words[1] = map.get('x') ?? -1
        return numbers.reduce((sum, each) => sum + each)
      },
      { numbers: [1, 2, 4], map: new Map([['x', 9]]), words: shared },
    )

    expect(await child.waitAsync()).toEqual({ code: 7, signal: null })
    expect([...shared]).toEqual([child.pid, 9])
  })

  test.each([
    [undefined, 0],
    [0, 0],
    [255, 255],
    [256, 0],
    [-1, 255],
    [3.9, 3],
  ])('that returns %s has status %s', async (returned, code) => {
    const machine = await boot()

    const child = await start(machine, (_, value) => value, returned)

    expect(await child.waitAsync()).toEqual({ code, signal: null })
  })

  test('ends when main() is over, whatever it has left in its event loop', async () => {
    const machine = await boot()

    const child = await start(machine, async () => {
      setInterval(() => undefined, 1000)
      await new Promise((resolve) => setTimeout(resolve, 5))
      return 5
    })

    expect(await child.waitAsync()).toEqual({ code: 5, signal: null })
  })

  test('knows itself: current(), its name, its environment, its file', async () => {
    const machine = await boot()
    process.env.PAGEFRAME_TEST_VALUE = 'here'

    const child = await machine.spawn(PROGRAM, {
      name: 'clerk',
      args: {
        source: String(
          ({ self, current }: { self: { name: string }; current: () => unknown }, file: string) => {
            if (current() !== self) return 1
            if (self.name !== 'clerk') return 2
            if (process.env.PAGEFRAME_TEST_VALUE !== 'here') return 3
            if (process.argv[1] !== file) return 4
            return 0
          },
        ),
        args: [fileURLToPath(PROGRAM)],
      },
    })

    delete process.env.PAGEFRAME_TEST_VALUE
    expect(child.name).toBe('clerk')
    expect(child.parent).toBe(1)
    expect(await child.waitAsync()).toEqual({ code: 0, signal: null })
    expect(child.state).toBe('free')
    expect(child.name).toBe('')
  })

  test('may exit from anywhere, and runs nothing after that', async () => {
    const machine = await boot()
    const words = new Int32Array(new SharedArrayBuffer(4))

    const child = await start(
      machine,
      ({ self }, seen) => {
        try {
          self.exit(9)
        } finally {
          seen[0] = 1
        }
      },
      words,
    )

    expect(await child.waitAsync()).toEqual({ code: 9, signal: null })
    expect(words[0]).toBe(0)
  })

  test('may end as Node programs do', async () => {
    const machine = await boot()

    const child = await start(machine, () => process.exit(4))

    expect(await child.waitAsync()).toEqual({ code: 4, signal: null })
  })

  test('runs from data: URLs too, and from CommonJS', async () => {
    const machine = await boot()
    const url = new URL('data:text/javascript,export default () => 6')

    const child = await machine.spawn(url)
    const other = await machine.spawn(url.href)
    const common = await machine.spawn('test/fixtures/common.cjs')

    expect(await child.waitAsync()).toEqual({ code: 6, signal: null })
    expect(await other.waitAsync()).toEqual({ code: 6, signal: null })
    expect(await common.waitAsync()).toEqual({ code: 8, signal: null })
  })

  test('that fills its heap is ended by SIGKILL, and nobody else', async () => {
    const machine = await boot()

    const child = await machine.spawn(PROGRAM, {
      resourceLimits: { maxOldGenerationSizeMb: 16 },
      args: {
        source: String(() => {
          const kept: unknown[] = []
          for (;;) kept.push(new Array(1000).fill({}))
        }),
        args: [],
      },
    })

    expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await (await start(machine, () => 3)).waitAsync()).toEqual({ code: 3, signal: null })
  })
})

describe('what cannot be spawned', () => {
  test('a file that is not there: ENOENT, and no process', async () => {
    const machine = await boot()

    const error = await rejectionOf(machine.spawn(new URL('./nowhere.mjs', import.meta.url)))

    expect(error).toMatchObject({ code: 'ENOENT', syscall: 'spawn' })
    expect(error.message).toContain('nowhere.mjs')
    expect(machine.processes()).toHaveLength(1)
  })

  test('arguments that cannot be cloned: a DataCloneError, and nothing is left', async () => {
    const machine = await boot()
    const used = machine.memory.usedBytes

    for (const args of [() => 1, { deep: [Symbol('x')] }]) {
      expect(await rejectionOf(machine.spawn(PROGRAM, { args }))).toMatchObject({ name: 'DataCloneError' })
    }
    expect(await rejectionOf(machine.spawn(PROGRAM, { args: new MessageChannel().port1 }))).toBeInstanceOf(
      Error,
    )

    expect(machine.processes()).toHaveLength(1)
    expect(machine.memory.usedBytes).toBe(used)
  })

  test.each([
    ['entry', 5, {}],
    ['options', PROGRAM, null],
    ['name', PROGRAM, { name: 5 }],
    ['resourceLimits', PROGRAM, { resourceLimits: 5 }],
    ['resourceLimits.stackSizeMb', PROGRAM, { resourceLimits: { stackSizeMb: () => 1 } }],
    ['signal', PROGRAM, { signal: {} }],
  ])('a wrong %s', async (argument, entry, options) => {
    const machine = await boot()

    const error = await rejectionOf(machine.spawn(entry as URL, options as object))

    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toContain(argument)
    expect(machine.processes()).toHaveLength(1)
  })

  test('with a signal that is aborted: its reason', async () => {
    const machine = await boot()
    const reason = new Error('enough')

    expect(await rejectionOf(machine.spawn(PROGRAM, { signal: AbortSignal.abort(reason) }))).toBe(reason)
  })

  test('128 processes are all there can be: EAGAIN; those that have ended make room, and keep their status', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '64MiB' })
      const most = 127
      const limits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1 }
      const early = []
      for (let i = 0; i < 4; i++) early.push(await machine.spawn(program, running((_, code) => code, i)))
      for (const child of early) await child.waitAsync()
      // Zombies, whose parent blocks: its event loop hears of none of them.
      const quick = []
      for (let i = 0; i < 3; i++) quick.push(await machine.spawn(program, running((_, code) => code, 10 + i)))
      const idle = []
      while (idle.length + quick.length < most) {
        idle.push(await machine.spawn(program, { ...running(() => new Promise(() => setInterval(() => 0, 1e6))), resourceLimits: limits }))
      }
      const until = Date.now() + 20_000
      while (quick.some(({ state }) => state !== 'zombie') && Date.now() < until);
      const states = quick.map(({ state }) => state)
      const late = await machine.spawn(program, running(() => 77))
      const afterwards = quick.map((child) => child.wait().code)
      const code = await late.waitAsync()
      // Two of the three places that the recycled ones have left, and the one of the last.
      for (let i = 0; i < 3; i++) idle.push(await machine.spawn(program, { ...running(() => new Promise(() => setInterval(() => 0, 1e6))), resourceLimits: limits }))
      let error
      try {
        await machine.spawn(program)
      } catch (thrown) {
        error = thrown as { code: string }
      }
      await machine[Symbol.asyncDispose]()
      return [states, afterwards, code, error?.code]
    }, [], { limitMs: 100_000 })

    expect(ended.result).toEqual([
      ['zombie', 'zombie', 'zombie'],
      [10, 11, 12],
      { code: 77, signal: null },
      'EAGAIN',
    ])
  }, 110_000) // prettier-ignore
})

describe('an error that a process does not catch', () => {
  test.each([
    ['thrown in main()', () => { throw new Error('thrown in main') }], 
    ['of a promise', () => Promise.reject(new Error('rejected in main'))],
    ['later, in its event loop', () => new Promise(() => setTimeout(() => { throw new Error('thrown later') }, 5))],
    ['and no object', () => { throw 'just text' }], // eslint-disable-line @typescript-eslint/only-throw-error
  ])('%s: status 1, and it is printed, with the name of the process', async (_, work) => {
    const ended = await machineScript(
      async ({ Machine, program, running }, source) => {
        const machine = await Machine.boot({ memory: '8MiB' })
        const child = await machine.spawn(program, {
          ...running((0, eval)(`(${source})`) as () => unknown),
          name: 'clumsy',
        })
        const status = child.wait()
        await machine[Symbol.asyncDispose]()
        return status
      },
      [String(work)],
    )

    expect(ended.result).toEqual({ code: 1, signal: null })
    expect(ended.stderr).toContain("pageframe: process 2 'clumsy' ended by an error that it did not catch:")
    expect(ended.stderr).toMatch(/thrown in main|rejected in main|thrown later|just text/)
  }) // prettier-ignore

  test('a module without a program says what is missing', async () => {
    const ended = await machineScript(async ({ Machine }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const none = await machine.spawn(new URL('data:text/javascript,export const a = 1'))
      const other = await machine.spawn(new URL('data:text/javascript,export default 5'))
      const broken = await machine.spawn(new URL('data:text/javascript,import "nowhere"'))
      const statuses = [none.wait(), other.wait(), broken.wait()]
      await machine[Symbol.asyncDispose]()
      return statuses
    }, [])

    const failed = { code: 1, signal: null }
    expect(ended.result).toEqual([failed, failed, failed])
    expect(ended.stderr).toContain('its default export must be a function main(self, args), and is missing')
    expect(ended.stderr).toContain('and is of type number')
    expect(ended.stderr).toContain('nowhere')
  })

  test('what main() returns must be a number', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const status = (
        await machine.spawn(
          program,
          running(() => 'ok'),
        )
      ).wait()
      await machine[Symbol.asyncDispose]()
      return status
    }, [])

    expect(ended.result).toEqual({ code: 1, signal: null })
    expect(ended.stderr).toContain(
      "main(): what it returns must be a number, the exit status, or nothing, not 'ok'",
    )
  })
})

describe('waiting', () => {
  test('any number of waits, blocked and not, before and after, get the same status', async () => {
    const machine = await boot()
    const child = await start(machine, () => 12)
    const early = [child.waitAsync(), child.waitAsync({ timeoutMs: 60_000 }), child.waitAsync({ ref: false })]

    const status = child.wait()

    expect(status).toEqual({ code: 12, signal: null })
    expect(await Promise.all(early)).toEqual([status, status, status])
    expect(child.wait({ timeoutMs: 0 })).toBe(status)
    expect(await child.waitAsync()).toBe(status)
    expect(child.status).toBe(status)
  })

  test('for a process that goes on: ETIMEDOUT, which says whom', async () => {
    const machine = await boot()
    const child = await start(machine, () => new Promise(() => setInterval(() => undefined, 1000)))

    const blocked = thrownBy(() => child.wait({ timeoutMs: 20 }))
    const waiting = await rejectionOf(child.waitAsync({ timeoutMs: 20 }))

    for (const error of [blocked, waiting]) {
      expect(error.code).toBe('ETIMEDOUT')
      expect(error.message).toMatch(/process 2 'program.mjs' has not ended in 20 ms/)
    }
    expect(child.status).toBeUndefined()
  })

  test('is given up when a signal is aborted; the process goes on', async () => {
    const machine = await boot()
    const child = await start(machine, () => new Promise((resolve) => setTimeout(() => { resolve(2) }, 200))) // prettier-ignore
    const controller = new AbortController()
    const waiting = rejectionOf(child.waitAsync({ signal: controller.signal }))

    controller.abort(new Error('no more'))

    expect((await waiting).message).toBe('no more')
    expect(child.wait()).toEqual({ code: 2, signal: null })
  })

  test('one thread waits for many, in any order', async () => {
    const machine = await boot()
    const children = []
    for (let i = 0; i < 6; i++) children.push(await start(machine, (_, code) => code, i))

    const codes = [...children].reverse().map((child) => child.wait().code)

    expect(codes).toEqual([5, 4, 3, 2, 1, 0])
  })
})

describe('kill()', () => {
  test.each([
    ['spins on its memory', ({ self, PROT_READ, MAP_PRIVATE, MAP_ANONYMOUS }: Spinning) => { const at = self.mmap(null, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS); for (;;) self.load32(at) }],
    ['spins on safepoints', ({ self }: Spinning) => { for (;;) self.safepoint() }],
    ['spins outside its memory', () => { for (;;); }],
    ['is idle', () => new Promise(() => setInterval(() => undefined, 1000))],
    ['cannot be stopped politely', () => new Promise(() => { process.on('exit', () => { for (;;); }); setInterval(() => undefined, 1000) })],
  ])('ends a process that %s', async (_, work) => {
    const machine = await boot()
    const child = await start(machine, work as () => unknown)
    await eventually(() => child.state === 'running', 'its start')
    await pause(30)

    child.kill()
    child.kill('SIGKILL') // the first one stands

    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: null, signal: 'SIGTERM' })
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  }) // prettier-ignore

  test('ends one that has not begun yet, and does nothing to one that has ended', async () => {
    const machine = await boot()
    const child = await start(machine, () => 3)

    child.kill('SIGKILL')

    expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGKILL' })
    child.kill()
    expect(child.status).toEqual({ code: null, signal: 'SIGKILL' })
    expect(thrownBy(() => { child.kill('SIGHUP' as 'SIGTERM') })).toBeInstanceOf(TypeError) // prettier-ignore
  })

  test('an AbortSignal does the same', async () => {
    const machine = await boot()
    const controller = new AbortController()
    const child = await machine.spawn(PROGRAM, {
      signal: controller.signal,
      args: { source: '() => new Promise(() => setInterval(() => 0, 1000))', args: [] },
    })
    await eventually(() => child.isRunning, 'its start')

    controller.abort()

    expect(await child.waitAsync()).toEqual({ code: null, signal: 'SIGTERM' })
  })
})

interface Spinning {
  readonly self: { mmap(...args: unknown[]): number; load32(at: number): number; safepoint(): void }
  readonly PROT_READ: number
  readonly MAP_PRIVATE: number
  readonly MAP_ANONYMOUS: number
}
