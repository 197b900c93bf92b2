/** Clean ends: after a machine nothing is left, of threads, timers, handles and memory; and nothing depends on main's loop. */

import { Worker } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { boot, machineScript } from './machines.ts'

test('a process that boots machines and disposes them ends by itself, with nothing on stderr', async () => {
  const ended = await machineScript(async ({ Machine, program, running }) => {
    for (let i = 0; i < 3; i++) {
      const machine = await Machine.boot({ memory: '8MiB' })
      await (await machine.spawn(program, running(() => 1))).waitAsync()
      await machine.spawn(program, running(() => new Promise(() => setInterval(() => 0, 1e6))))
      await machine[Symbol.asyncDispose]()
    }
    return process.getActiveResourcesInfo().filter((each) => each !== 'MessagePort' && !each.includes('Pipe') && !each.includes('TTY'))
  }, []) // prettier-ignore

  expect(ended.result).toEqual([])
  expect(ended.stderr).toBe('')
})

test('a process that does not dispose its machine ends by itself as soon as its children have', async () => {
  const ended = await machineScript(async ({ Machine, program, running }) => {
    const machine = await Machine.boot({ memory: '8MiB' })
    await machine.spawn(program, running(() => new Promise((resolve) => setTimeout(() => {
      console.log('"the child was waited for"')
      resolve(0)
    }, 200)))) // prettier-ignore
  }, [])

  expect(ended.result).toBe('the child was waited for')
  expect(ended.stderr).toBe('')
})

test('100 machines, one after the other, leave no memory behind', async () => {
  const ended = await machineScript(async ({ Machine, program, running }) => {
    const MiB = 2 ** 20
    const rss = () => Math.round(process.memoryUsage.rss() / MiB)
    const one = async (hasChild: boolean) => {
      const machine = await Machine.boot({ memory: '64MiB' })
      const { self } = machine
      const at = self.mmap(null, 40 * MiB, 3, 0x22)
      for (let page = 0; page < 40 * MiB; page += 4096) self.store8(at + page, 1)
      if (hasChild) await (await machine.spawn(program, running(() => 0))).waitAsync()
      await machine[Symbol.asyncDispose]()
    }
    for (let i = 0; i < 5; i++) await one(true)
    const before = rss()
    let most = 0
    for (let i = 0; i < 100; i++) {
      await one(i % 10 === 0)
      most = Math.max(most, rss())
    }
    return { before, most, after: rss() }
  }, [], { limitMs: 110_000 }) // prettier-ignore

  const { before, most } = ended.result as { before: number; most: number }
  expect(most).toBeLessThan(before + 400)
}, 120_000)

describe('while the main thread is blocked', () => {
  test('children start, work, and end: it hears of them by wait()', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const codes = []
      for (let i = 0; i < 3; i++) {
        const child = await machine.spawn(
          program,
          running((_, n) => n, i),
        ) // microtasks only since boot()
        codes.push(child.wait({ timeoutMs: 15_000 }).code)
      }
      const grandparent = await machine.spawn(
        program,
        running(async ({ self }, url) => {
          const child = await self.spawn(new URL(url), { args: { source: '() => 30', args: [] } })
          return (child.wait({ timeoutMs: 15_000 }).code ?? 0) + 1
        }, program.href),
      )
      codes.push(grandparent.wait({ timeoutMs: 15_000 }).code)
      await machine[Symbol.asyncDispose]()
      return codes
    }, [])

    expect(ended.result).toEqual([0, 1, 2, 31])
    expect(ended.stderr).not.toContain('Error')
  })
})

describe('workers that others start', () => {
  test('adopt() makes one a process: run() gets it, and its end is known', async () => {
    const machine = await boot()
    const worker = new Worker(new URL('../fixtures/adopted.mjs', import.meta.url))

    const child = await machine.adopt(worker, { name: 'guest', args: { add: 5 } })

    expect(child.name).toBe('guest')
    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: 15, signal: null })
    expect(machine.check()).toEqual({ ok: true, problems: [] })
  })

  test('boot({ worker }) makes all processes that way, and kill() ends them', async () => {
    const urls: string[] = []
    const machine = await boot({
      worker: (entry) => {
        urls.push(entry.href)
        return new Worker(entry)
      },
    })
    const entry = new URL('../fixtures/adopted.mjs', import.meta.url)

    const child = await machine.spawn(entry, { args: { add: 1 } })
    const endless = await machine.spawn(entry, { args: { endless: true } })
    endless.kill()

    expect(urls).toEqual([entry.href, entry.href])
    expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: 11, signal: null })
    expect(await endless.waitAsync({ timeoutMs: 5000 })).toEqual({ code: null, signal: 'SIGTERM' })
  })

  test('one whose program is over before anybody has looked has a status all the same', async () => {
    const machine = await boot({ worker: (entry) => new Worker(entry) })
    const entry = new URL('../fixtures/adopted.mjs', import.meta.url)

    for (let i = 0; i < 10; i++) {
      const child = await machine.spawn(entry, { args: { add: i } })
      expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: 10 + i, signal: null })
    }
  })

  test('one that ends meanwhile: ECANCELED; and the slot is free', async () => {
    const machine = await boot()
    const worker = new Worker('setTimeout(() => 0, 50)', { eval: true })

    await expect(machine.adopt(worker)).rejects.toMatchObject({ code: 'ECANCELED' })
    expect(machine.processes()).toHaveLength(1)
  })
})
