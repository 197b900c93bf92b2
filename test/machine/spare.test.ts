/** The spare: a process whose worker had been waiting for it is like any other; and nobody ever sees the one that waits. */

import { Mutex } from 'pageframe'
import type { Child, Machine, SpawnOptions } from 'pageframe/machine'
import { describe, expect, test } from 'vitest'
import { eventually, pause, rejectionOf } from '../support.ts'
import { boot, machineScript, PROGRAM, start, type ProgramTools } from './machines.ts'

/**
 * Spawns the program until its worker is older than the order for it. Sent as text to scripts, too: it sees nothing around
 * it.
 */
async function fromSpare(
  machine: Machine,
  program: URL,
  source: string,
  args: readonly unknown[] = [],
  options: SpawnOptions = {},
): Promise<Child> {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  for (let tries = 0; tries < 30; tries++) {
    const { threadId: next } = new Worker('', { eval: true })
    const words = new Int32Array(new SharedArrayBuffer(4))
    const telling = `(tools, words, ...args) => {
      words[0] = process.getBuiltinModule('node:worker_threads').threadId
      return (${source})(tools, ...args)
    }`
    const child = await machine.spawn(program, {
      ...options,
      args: { source: telling, args: [words, ...args] },
    })
    while (words[0] === 0 && child.status === undefined)
      await new Promise((resolve) => setTimeout(resolve, 1))
    if (words[0] !== 0 && words[0] < next) return child
    child.kill('SIGKILL')
    await child.waitAsync()
    await new Promise((resolve) => setTimeout(resolve, 400))
  }
  throw new Error('no process was ever started in a spare worker')
}

function startInSpare<A extends unknown[]>(
  machine: Machine,
  work: (tools: ProgramTools, ...args: A) => unknown,
  args: A,
  options?: SpawnOptions,
): Promise<Child> {
  return fromSpare(machine, PROGRAM, String(work), args, options)
}

/** What a program can see of how it was started, as JSON in shared bytes. */
function look({ self, pageframe }: ProgramTools, bytes: Uint8Array, extra: unknown): number {
  const { workerData, resourceLimits } = process.getBuiltinModule('node:worker_threads') as {
    readonly workerData: unknown
    readonly resourceLimits: unknown
  }
  pageframe.SharedMemory.default.alloc(64) // this thread enters the default memory by itself
  const seen = {
    argv: process.argv,
    execArgv: process.execArgv,
    env: { ...process.env },
    name: self.name,
    parent: self.parent,
    data: Object.entries(workerData as object)
      .map(([key, value]) => `${key} ${Object.prototype.toString.call(value)}`)
      .sort(),
    what: (workerData as { pageframe: string }).pageframe,
    resourceLimits,
    listeners: process.eventNames().map((each) => [String(each), process.listenerCount(each)]),
    extra,
  }
  new TextEncoder().encodeInto(JSON.stringify(seen), bytes)
  process.env.SPARE_LEFT = 'by the child'
  return 0
}

async function seenBy(run: (bytes: Uint8Array) => Promise<Child>): Promise<Record<string, unknown>> {
  const bytes = new Uint8Array(new SharedArrayBuffer(65_536))
  expect(await (await run(bytes)).waitAsync()).toEqual({ code: 0, signal: null })
  return JSON.parse(new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)))) as Record<string, unknown>
}

describe('a process in the spare worker', () => {
  test('starts with what a new worker would have: env, argv, name, workerData, arguments', async () => {
    const machine = await boot()
    process.env.SPARE_GONE = 'until the spare is there'
    await (await startInSpare(machine, () => 0, [])).waitAsync()
    await pause(400) // the next one is started with that environment
    delete process.env.SPARE_GONE
    process.env.SPARE_NEW = 'since then'
    try {
      const options = { name: 'a name' }
      const extra = { map: [1], text: 'x' }
      const source = String(look)

      const inSpare = await seenBy((bytes) => fromSpare(machine, PROGRAM, source, [bytes, extra], options))
      const cold = await seenBy((bytes) => {
        const limits = { stackSizeMb: 4 }
        return machine.spawn(PROGRAM, { ...options, resourceLimits: limits, args: { source, args: [bytes, extra] } })
      }) // prettier-ignore

      expect(inSpare).toEqual(cold)
      expect(inSpare.env).toEqual({ ...process.env })
      expect(inSpare).toMatchObject({ name: 'a name', parent: 1, what: 'process', extra })
      expect(process.env.SPARE_LEFT).toBeUndefined()
    } finally {
      delete process.env.SPARE_NEW
    }
  })

  test('is called by its name in messages', async () => {
    const machine = await boot()
    await (await startInSpare(machine, () => 0, [])).waitAsync()
    const lock = new Mutex()
    const hold = ({ pageframe }: ProgramTools, handle: Mutex) => {
      pageframe.Mutex.from(handle).lock()
      return new Promise(() => setInterval(() => undefined, 1000))
    }
    const child = await startInSpare(machine, hold, [lock], { name: 'the holder' })
    await eventually(() => lock.owner !== null, 'its lock')

    const error = await rejectionOf(lock.lockAsync({ timeoutMs: 10 }))
    child.kill()

    expect(error.message).toContain("'the holder'")
  })

  test.each([
    ['returns', () => 7, { code: 7, signal: null }],
    ['exits', ({ self }: ProgramTools) => self.exit(300), { code: 44, signal: null }],
    ['ends its thread', () => process.exit(9), { code: 9, signal: null }],
    ['ends its thread without a word', () => process.exit(), { code: 0, signal: null }],
    ['waits for nothing that could come', () => new Promise(() => undefined), { code: 13, signal: null }],
  ])('has the status of one that %s', async (_, work, status) => {
    const machine = await boot()

    const child = await startInSpare(machine, work as () => unknown, [])
    const cold = await start(machine, work as () => unknown)

    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual(status)
    expect(await cold.waitAsync({ timeoutMs: 5000 })).toEqual(status)
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  })

  test.each([
    ['is idle', () => new Promise(() => setInterval(() => undefined, 1000))],
    ['spins', () => { for (;;); }],
  ])('is ended by kill() when it %s, and what it held returns', async (_, work) => {
    const machine = await boot()
    await (await startInSpare(machine, () => 0, [])).waitAsync()
    const used = machine.memory.usedBytes
    const child = await startInSpare(machine, work as () => unknown, [])

    child.kill()

    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: null, signal: 'SIGTERM' })
    await eventually(() => machine.memory.usedBytes <= used + 3 * 4096, 'what it held')
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  }) // prettier-ignore

  test('can be killed before it has begun', async () => {
    const machine = await boot()
    await (await startInSpare(machine, () => 0, [])).waitAsync()
    await pause(600)

    const child = await start(machine, () => 3)
    child.kill('SIGKILL')

    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: null, signal: 'SIGKILL' })
  })

  test('tells on stderr what it did not catch, whatever Node is told to make of rejections', async () => {
    const ended = await machineScript(
      async ({ Machine, program }, fromSpareText) => {
        const spawn = (0, eval)(`(${fromSpareText})`) as typeof fromSpare
        const machine = await Machine.boot({ memory: '8MiB' })
        const failing = "async () => { console.log('its output'); throw new Error('thrown in main') }"
        const thrown = await (await spawn(machine, program, failing, [], { name: 'clumsy' })).waitAsync()
        const nothing = await (await spawn(machine, program, '() => { throw undefined }')).waitAsync()
        await machine[Symbol.asyncDispose]()
        return [thrown, nothing]
      },
      [String(fromSpare)],
      { flags: ['--unhandled-rejections=warn'] },
    )

    expect(ended.result).toEqual([1, 1].map((code) => ({ code, signal: null })))
    expect(ended.stderr).toMatch(
      /process \d+ 'clumsy' ended by an error that it did not catch:\nError: thrown/,
    )
    expect(ended.stdout).toContain('its output')
  })

  test('that fills its heap is ended by SIGKILL', async () => {
    const ended = await machineScript(
      async ({ Machine, program }, fromSpareText) => {
        const spawn = (0, eval)(`(${fromSpareText})`) as typeof fromSpare
        const machine = await Machine.boot({ memory: '8MiB' })
        const greedy = '() => { const all = []; for (;;) all.push(new Array(10_000).fill(all.length)) }'
        const status = await (await spawn(machine, program, greedy)).waitAsync()
        await machine[Symbol.asyncDispose]()
        return status
      },
      [String(fromSpare)],
      { flags: ['--max-old-space-size=64'], limitMs: 60_000 },
    )

    expect(ended.result).toEqual({ code: null, signal: 'SIGKILL' })
  }, 70_000)
})

describe('the spare', () => {
  test('is left alone by a process that wants limits of its own, and by NODE_OPTIONS of another kind', async () => {
    const machine = await boot()
    const limited = { resourceLimits: { maxOldGenerationSizeMb: 32 } }
    const limit = () => process.getBuiltinModule('node:worker_threads').resourceLimits.maxOldGenerationSizeMb
    await (await startInSpare(machine, () => 0, [])).waitAsync()
    await pause(600)

    const child = await machine.spawn(PROGRAM, { ...limited, args: { source: String(limit), args: [] } })
    expect(await child.waitAsync()).toEqual({ code: 32, signal: null })

    const before = process.env.NODE_OPTIONS
    process.env.NODE_OPTIONS = '--no-deprecation'
    try {
      const silent = await start(machine, () => (process.noDeprecation === true ? 3 : 4))
      expect(await silent.waitAsync()).toEqual({ code: 3, signal: null })
    } finally {
      if (before === undefined) delete process.env.NODE_OPTIONS
      else process.env.NODE_OPTIONS = before
    }
  })

  test('is not needed: five processes at once all run', async () => {
    const machine = await boot()
    await (await startInSpare(machine, () => 0, [])).waitAsync()
    await pause(600)

    const five = await Promise.all([1, 2, 3, 4, 5].map((n) => start(machine, (_, code) => code, n)))

    const codes = await Promise.all(five.map(async (child) => (await child.waitAsync()).code))
    expect(codes).toEqual([1, 2, 3, 4, 5])
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  })

  test('serves a machine that was booted after it was started, and parents that are processes', async () => {
    const first = await boot()
    await (await startInSpare(first, () => 0, [])).waitAsync()
    await pause(600)
    const second = await boot()

    const child = await start(second, async ({ self }, url) => {
      const grandchild = await self.spawn(new URL(url), { args: { source: '() => 30', args: [] } })
      return ((await grandchild.waitAsync()).code ?? 0) + 1
    }, PROGRAM.href) // prettier-ignore

    expect(await child.waitAsync()).toEqual({ code: 31, signal: null })
  })

  test.each([
    ['while it loads', 'process.exit(3)'],
    ['while it waits', 'setTimeout(() => process.exit(3), 200)'],
    ['by an error', "setTimeout(() => { throw new Error('of the spare') }, 200)"],
  ])('that dies %s is simply gone', async (_, end) => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const codes = []
      for (let i = 0; i < 4; i++) {
        codes.push((await (await machine.spawn(program, running((_, n) => n, i))).waitAsync()).code)
        await new Promise((resolve) => setTimeout(resolve, 700))
      }
      const check = machine.check()
      await machine[Symbol.asyncDispose]()
      return [codes, check.ok]
    }, [], { flags: ['--import', preload(end)] }) // prettier-ignore

    expect(ended.result).toEqual([[0, 1, 2, 3], true])
    expect(ended.stderr).toBe('')
  })

  test('that dies with an order which it has not read leaves a process that has ended', async () => {
    const dying = "data.link.on('message', ({ pageframe }) => { if (pageframe === 'begin') process.exit(1) })"
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const codes = []
      for (let i = 0; i < 5; i++) {
        codes.push((await (await machine.spawn(program, running(() => 0))).waitAsync({ timeoutMs: 5000 })).code)
        await new Promise((resolve) => setTimeout(resolve, 700))
      }
      const check = machine.check()
      const left = machine.processes().length
      await machine[Symbol.asyncDispose]()
      return [codes.every((code) => code === 0 || code === 1), codes[0], codes.includes(1), check.ok, left]
    }, [], { flags: ['--import', preload(dying)] }) // prettier-ignore

    expect(ended.result).toEqual([true, 0, true, true, 1])
  })

  test.each([0, 150, 215, 240, 600])(
    'holds nobody up: a machine that is disposed %i ms after a spawn leaves nothing, and so does one that is not',
    async (ms) => {
      for (const disposes of [true, false]) {
        const ended = await machineScript(async ({ Machine, program, running }, ms, disposes) => {
          const machine = await Machine.boot({ memory: '8MiB' })
          await (await machine.spawn(program, running(() => 0))).waitAsync()
          await new Promise((resolve) => setTimeout(resolve, ms))
          if (!disposes) return 'not disposed'
          await machine[Symbol.asyncDispose]()
          await new Promise((resolve) => setTimeout(resolve, 300))
          return 'the end'
        }, [ms, disposes] as [number, boolean]) // prettier-ignore

        expect(ended.stdout).toContain(disposes ? 'the end' : 'not disposed')
        expect(ended.code).toBe(0)
        expect(ended.stderr).toBe('')
      }
    },
  )

  test.runIf(process.platform === 'linux')('goes with the last machine: its thread too', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const { readdirSync } = process.getBuiltinModule('node:fs')
      const threads = () => readdirSync('/proc/self/task').length
      const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
      const counts = []
      for (let i = 0; i < 3; i++) {
        const machine = await Machine.boot({ memory: '8MiB' })
        if (i > 0) await (await machine.spawn(program, running(() => 0))).waitAsync()
        await pause(700)
        const within = threads()
        await machine[Symbol.asyncDispose]()
        await pause(300)
        counts.push([within, threads()])
      }
      return counts
    }, []) // prettier-ignore

    const [[without, base], ...rest] = ended.result as number[][]
    for (const [within, after] of rest) {
      expect(within).toBeGreaterThan(without)
      expect(after).toBe(base)
    }
  })
})

/** Code that runs first in each spare worker, as --import would have it. */
function preload(code: string): string {
  const module = `import { workerData as data } from 'node:worker_threads'\nif (data?.pageframe === 'spare') { ${code} }`
  return `data:text/javascript,${encodeURIComponent(module)}`
}
