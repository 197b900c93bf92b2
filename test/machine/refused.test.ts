/** What cannot be spawned: an error that says why, and nothing is left. */

import { MessageChannel } from 'node:worker_threads'
import { describe, expect, test } from 'vitest'
import { rejectionOf } from '../support.ts'
import { boot, machineScript, PROGRAM } from './machines.ts'

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
      const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 2 }
      const early = []
      for (let i = 0; i < 4; i++) early.push(await machine.spawn(program, running((_, code) => code, i)))
      for (const child of early) await child.waitAsync()
      const go = new Int32Array(new SharedArrayBuffer(4))
      const quick = []
      for (let i = 0; i < 3; i++) {
        quick.push(await machine.spawn(program, running((_, code, word) => {
          Atomics.wait(word, 0, 0)
          return code
        }, 10 + i, go)))
      }
      const idle = []
      while (idle.length + quick.length < most) {
        idle.push(await machine.spawn(program, { ...running(() => new Promise(() => setInterval(() => 0, 1e6))), resourceLimits: limits }))
      }
      // Whoever begins needs this thread's event loop.
      while ([...quick, ...idle].some(({ state }) => state === 'embryo')) await new Promise((resolve) => setTimeout(resolve, 20))
      // Zombies, whose parent blocks: its event loop hears of none of them.
      Atomics.store(go, 0, 1)
      Atomics.notify(go, 0)
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
      const lost = idle.filter(({ status }) => status !== undefined).map(({ pid, status }) => [pid, status])
      await machine[Symbol.asyncDispose]()
      return [states, afterwards, code, lost, error?.code]
    }, [], { limitMs: 100_000 })

    expect(ended.result, ended.stderr).toEqual([
      ['zombie', 'zombie', 'zombie'],
      [10, 11, 12],
      { code: 77, signal: null },
      [],
      'EAGAIN',
    ])
  }, 110_000) // prettier-ignore
})
