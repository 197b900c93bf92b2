/** Waiting for a child, and ending it: every wait is told, by every way to wait. */

import { describe, expect, test } from 'vitest'
import { eventually, pause, rejectionOf, thrownBy } from '../support.ts'
import { boot, PROGRAM, start } from './machines.ts'

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
