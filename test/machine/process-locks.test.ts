/** Locks at addresses, between real processes: exclusion, waiting, time, and wrong arguments. */

import { PTHREAD_MUTEX_RECURSIVE } from 'pageframe/machine'
import { describe, expect, test } from 'vitest'
import { thrownBy } from '../support.ts'
import { asleep, LIMIT_MS, run, share } from './lock-programs.ts'
import { boot } from './machines.ts'

describe.each(['lp64', 'ilp32'] as const)('in a machine of layout %s', (layout) => {
  test('a mutex excludes: no increment of three processes is lost', { timeout: LIMIT_MS }, async () => {
    const machine = await boot({ layout })
    const { self } = machine
    const at = share(self)
    self.mutexInit(at)

    const crew = await Promise.all(
      [1, 2, 3].map(() =>
        run(
          machine,
          'for (let i = 0; i < 4000; i++) { self.mutexLock(at); self.store32(at + 64, self.load32(at + 64) + 1); self.mutexUnlock(at) }',
        ),
      ),
    )
    const ends = await Promise.all(crew.map((child) => child.waitAsync()))

    expect(ends).toEqual([1, 2, 3].map(() => ({ code: 0, signal: null })))
    expect(self.load32(at + 64)).toBe(12_000)
    expect(machine.check().problems).toEqual([])
  })

  test('a semaphore hands over, back and forth', { timeout: LIMIT_MS }, async () => {
    const machine = await boot({ layout })
    const { self } = machine
    const at = share(self)
    self.semInit(at, 0)
    self.semInit(at + 64, 0)

    const child = await run(
      machine,
      'for (let i = 0; i < 500; i++) { self.semWait(at); self.add32(at + 128, 1); self.semPost(at + 64) }',
    )
    for (let i = 1; i <= 500; i++) {
      self.semPost(at)
      self.semWait(at + 64)
      expect(self.load32(at + 128)).toBe(i)
    }

    expect(await child.waitAsync()).toEqual({ code: 0, signal: null })
  })

  test(
    'a condition tells everybody, once each; a barrier lets them go together',
    { timeout: LIMIT_MS },
    async () => {
      const machine = await boot({ layout })
      const { self } = machine
      const at = share(self)
      self.mutexInit(at)
      self.condInit(at + 64)
      self.barrierInit(at + 128, 4)
      const crew = await Promise.all(
        [1, 2, 3].map(() =>
          run(
            machine,
            `self.mutexLock(at)
          while (self.load32(at + 256) === 0) self.condWait(at + 64, at)
          self.store32(at + 260, self.load32(at + 260) + 1)
          self.mutexUnlock(at)
          self.barrierWait(at + 128)
          return self.load32(at + 260)`,
          ),
        ),
      )
      await asleep(machine, 3)

      self.mutexLock(at)
      self.store32(at + 256, 1)
      self.condBroadcast(at + 64)
      self.mutexUnlock(at)
      self.barrierWait(at + 128)

      const ends = await Promise.all(crew.map((child) => child.waitAsync()))
      expect(ends.map(({ code }) => code)).toEqual([3, 3, 3])
    },
  )

  test('a condition that a killed process waited for can be destroyed', { timeout: LIMIT_MS }, async () => {
    const machine = await boot({ layout })
    const { self } = machine
    const at = share(self)
    const condition = at + 64
    self.mutexInit(at)
    self.condInit(condition)
    const waiter = await run(machine, 'self.mutexLock(at); self.condWait(at + 64, at)')
    await asleep(machine, 1)
    const whileItWaits = thrownBy(() => {
      self.condDestroy(condition)
    })

    waiter.kill('SIGKILL')
    await waiter.waitAsync()
    self.condDestroy(condition)

    expect(whileItWaits).toMatchObject({ code: 'EBUSY' })
    expect(machine.check().problems).toEqual([])
  })

  test('read-write lock: readers together, a writer alone', { timeout: LIMIT_MS }, async () => {
    const machine = await boot({ layout })
    const { self } = machine
    const at = share(self)
    self.rwlockInit(at, { prefer: 'writers' })
    const reader = `let torn = 0
      for (let i = 0; i < 2000; i++) {
        self.rwlockRdLock(at)
        if (self.load32(at + 128) !== self.load32(at + 256)) torn++
        self.rwlockUnlock(at)
      }
      return Math.min(torn, 99)`
    const writer = `for (let i = 0; i < 1000; i++) {
        self.rwlockWrLock(at)
        self.add32(at + 128, 1)
        self.add32(at + 256, 1)
        self.rwlockUnlock(at)
      }`

    const crew = await Promise.all([reader, writer, reader, writer].map((text) => run(machine, text)))
    const ends = await Promise.all(crew.map((child) => child.waitAsync()))

    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    expect(self.load32(at + 128)).toBe(2000)
  })
})

describe('time', () => {
  test('milliseconds, or a moment of C on the clock of the day; what is past is past', async () => {
    const { self } = await boot()
    const at = share(self)
    self.semInit(at, 0)
    const inAWhile = () => ({ sec: Math.floor(Date.now() / 1000), nsec: 0 })

    for (const timeout of [0, 5, -5, inAWhile(), { sec: 0, nsec: 0 }, { sec: -1, nsec: 5 }]) {
      expect(thrownBy(() => { self.semTimedWait(at, timeout) })).toMatchObject({ code: 'ETIMEDOUT', syscall: 'sem_timedwait' }) // prettier-ignore
    }
    expect(thrownBy(() => { self.semTimedWait(at, { sec: 2 ** 40, nsec: 1e9 }) })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
    expect(thrownBy(() => { self.futexWait(at + 64, 0, { timeout: { sec: -1, nsec: 0 } }) })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
    self.semPost(at)
    self.semTimedWait(at, -5)
  })

  test('a condition counts on its own clock', async () => {
    const { self } = await boot()
    const at = share(self)
    self.condInit(at, { clock: 'monotonic' })
    self.mutexLock(at + 64)
    const [sec] = process.hrtime()

    const before = performance.now()
    expect(thrownBy(() => self.condTimedWait(at, at + 64, { sec: sec + 1, nsec: 0 }))).toMatchObject({ code: 'ETIMEDOUT' }) // prettier-ignore

    expect(performance.now() - before).toBeLessThan(1500)
    expect(thrownBy(() => self.mutexTryLock(at + 64))).toMatchObject({ code: 'EBUSY' })
  })
})

describe('wrong arguments change nothing', () => {
  test('they are Linux’s errors, or a TypeError that says what is wrong', async () => {
    const { self } = await boot()
    const at = share(self)
    const calls: [() => unknown, object][] = [
      [() => { self.mutexInit(at + 2) }, { code: 'EINVAL', syscall: 'pthread_mutex_init' }],
      [() => { self.mutexInit(at + 4092) }, { code: 'EINVAL' }],
      [() => { self.semInit(at + 0.5, 1) }, { code: 'EINVAL' }],
      [() => { self.semInit(NaN, 1) }, { code: 'EINVAL' }],
      [() => { self.semInit(at, -1) }, { code: 'EINVAL' }],
      [() => { self.barrierInit(at, 2 ** 29 + 1) }, { code: 'EINVAL' }],
      [() => { self.barrierWait(at) }, { code: 'EINVAL' }],
      [() => { self.semInit(16, 1) }, { signal: 'SIGSEGV', code: 'SEGV_MAPERR' }],
      [() => { self.mutexInit(at, { robust: 1 as never }) }, { name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' }],
      [() => { self.condInit(at, { clock: 'sundial' as never }) }, { name: 'TypeError' }],
      [() => { self.rwlockInit(at, null as never) }, { name: 'TypeError' }],
      [() => { self.semTimedWait(at, 'soon' as never) }, { name: 'TypeError' }],
      [() => { self.semTimedWait(at, NaN) }, { name: 'RangeError' }],
      [() => { self.semWait('x' as never) }, { name: 'TypeError' }],
      [() => { self.semOpen(7 as never, 0) }, { name: 'TypeError' }],
      [() => { self.futexWait(at, 0, { private: 1 as never }) }, { name: 'TypeError' }],
      [() => { self.futexWaitv('x' as never) }, { name: 'TypeError' }],
      [() => { self.futexWaitv(new Array(1) as never) }, { code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' }],
      [() => { self.futexWaitv([null] as never) }, { code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' }],
    ] // prettier-ignore
    const before = new Uint8Array(4096)
    self.read(at, before)

    for (const [call, error] of calls) expect(thrownBy(call)).toMatchObject(error)

    const after = new Uint8Array(4096)
    self.read(at, after)
    expect(after).toEqual(before)
  })

  test('what a getter of the options does comes before, and is seen', async () => {
    const machine = await boot()
    const { self } = machine
    const at = share(self)
    let reads = 0
    const options = {
      get type() {
        reads++
        self.munmap(at, 4096)
        return PTHREAD_MUTEX_RECURSIVE
      },
    }

    expect(thrownBy(() => { self.mutexInit(at, options) })).toMatchObject({ code: 'SEGV_MAPERR' }) // prettier-ignore
    expect(reads).toBe(1)
  })

  test('an object of one kind is none of another', async () => {
    const { self } = await boot()
    const at = share(self)
    self.semInit(at, 1)

    for (const call of [() => self.mutexLock(at), () => { self.condSignal(at) }, () => { self.rwlockRdLock(at) }, () => { self.spinLock(at) }]) {
      expect(thrownBy(call)).toMatchObject({ code: 'EINVAL' })
    } // prettier-ignore
    self.semWait(at)
  })
})

test('in a machine that is gone: ESTALE', async () => {
  const machine = await boot()
  const { self } = machine
  const at = share(self)
  await machine[Symbol.asyncDispose]()

  expect(thrownBy(() => self.mutexLock(at))).toMatchObject({ code: 'ESTALE' })
})
