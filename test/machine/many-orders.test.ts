/** Many orders to spawn at once: they are carried out one a turn of the supervisor's loop, and none is lost meanwhile. */

import { Semaphore } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { OneATurn } from '../../src/machine/one-a-turn.ts'
import { boot, machineScript, start } from './machines.ts'

const MANY = 24

describe('long steps of an event loop', () => {
  test('the first is done at once, the others in their order, and the loop turns before each', async () => {
    const steps = new OneATurn()
    const done: string[] = []
    const turn = () => new Promise<void>((resolve) => { setImmediate(resolve) }) // prettier-ignore

    for (const each of ['a', 'b', 'c']) steps.run(() => done.push(each))

    expect(done).toEqual(['a'])
    for (const expected of ['ab', 'abc', 'abc']) {
      await turn()
      expect(done.join('')).toBe(expected)
    }
    steps.run(() => done.push('d'))
    expect(done.join('')).toBe('abcd')
  })

  test('one that throws does not keep the others from being done', async () => {
    const steps = new OneATurn()
    const done: string[] = []

    expect(() => {
      steps.run(() => {
        throw new Error('not this one')
      })
    }).toThrow('not this one')
    steps.run(() => done.push('next'))
    await new Promise((resolve) => { setImmediate(resolve) }) // prettier-ignore

    expect(done).toEqual(['next'])
  })
})

describe('processes that are ordered at once', () => {
  test('all run, though their parent has ended by then', async () => {
    const machine = await boot()
    const ran = new Semaphore(0, { memory: machine.memory })

    const parent = await start(
      machine,
      async ({ self }, handle, many: number) => {
        const program = new URL(process.argv[1], 'file:')
        const source = '({ pageframe }, handle) => { pageframe.Semaphore.from(handle).release(); return 0 }'
        for (let i = 0; i < many; i++) await self.spawn(program, { args: { source, args: [handle] } })
        return 3
      },
      ran,
      MANY,
    )

    expect(await parent.waitAsync()).toEqual({ code: 3, signal: null })
    for (let i = 0; i < MANY; i++) await ran.acquireAsync({ timeoutMs: 20_000 })
  })

  test('what is killed before its turn never gets a worker, and has the status of what was killed', async () => {
    const machine = await boot()
    const ran = new Semaphore(0, { memory: machine.memory })
    const count = ({ pageframe }: { pageframe: typeof import('pageframe') }, handle: Semaphore) => {
      pageframe.Semaphore.from(handle).release()
    }

    const children = []
    for (let i = 0; i < MANY; i++) children.push(await start(machine, count, ran))
    const last = children[MANY - 1]
    last.kill()
    while (last.state === 'embryo'); // this thread's event loop is not needed, and must not ask how it ended

    expect([last.state, last.threadId]).toEqual(['zombie', -1])
    expect(await last.waitAsync()).toEqual({ code: null, signal: 'SIGTERM' })
    for (const child of children.slice(0, -1))
      expect(await child.waitAsync()).toEqual({ code: 0, signal: null })
    expect(ran.value).toBe(MANY - 1)
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  })

  test('a machine that ends while a process spawns and spawns takes all with it, without a word', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      for (let round = 0; round < 3; round++) {
        const machine = await Machine.boot({ memory: '16MiB' })
        const breed = async ({ self }: { self: { spawn: (...args: unknown[]) => Promise<unknown> } }, url: string) => {
          const args = { source: '() => new Promise(() => setInterval(() => 0, 1000))', args: [] }
          for (let i = 0; i < 100; i++) await self.spawn(new URL(url), { args })
          await new Promise(() => setInterval(() => 0, 1000))
        }
        await machine.spawn(program, running(breed as never, program.href))
        while (machine.processes().length < 4 + 20 * round) await new Promise((resolve) => setTimeout(resolve, 1))
        await machine[Symbol.asyncDispose]()
      }
      return 'ended'
    }, []) // prettier-ignore

    expect(ended.stderr).toBe('')
    expect(ended.result).toBe('ended')
  })

  test('a machine that ends meanwhile takes them with it, without a word', async () => {
    const ended = await machineScript(
      async ({ Machine, program, running }, many: number) => {
        const machine = await Machine.boot({ memory: '16MiB' })
        const children = []
        for (let i = 0; i < many; i++) children.push(await machine.spawn(program, running(() => new Promise(() => undefined))))
        await machine[Symbol.asyncDispose]()
        return children.map(({ status }) => status?.signal)
      },
      [MANY],
    ) // prettier-ignore

    expect(ended.stderr).toBe('')
    expect(ended.result).toEqual(Array(MANY).fill('SIGKILL'))
  })
})
