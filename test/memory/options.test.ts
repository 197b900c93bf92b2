/** What callers pass: each option is read once, and what is none is refused with a code, before anything has changed. */

import { Channel, Mutex, Region, Semaphore, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { freshName, pause, rejectionOf, thrownBy } from '../support.ts'

const memory = SharedMemory.default
const nothing = (): void => undefined
const USAGE = expect.stringMatching(/^ERR_PAGEFRAME_/) as string

describe('each option is read once', () => {
  /** Options that count how often each is asked. */
  function counted(values: object) {
    const asked: Record<string, number> = {}
    const options = {}
    for (const [key, value] of Object.entries(values)) {
      Object.defineProperty(options, key, {
        enumerable: true,
        get: () => {
          asked[key] = (asked[key] ?? 0) + 1
          return value as unknown
        },
      })
    }
    return { asked, options }
  }

  test.each<[string, object, (options: object) => { destroy(): void }]>([
    ['new Mutex()', { type: 'errorCheck', robust: true }, (options) => new Mutex(options)],
    ['Mutex.open()', { type: 'errorCheck', robust: true }, (options) => Mutex.open(freshName(), options)],
    ['new Semaphore()', {}, (options) => new Semaphore(1, options)],
    ['Semaphore.open()', {}, (options) => Semaphore.open(freshName(), 1, options)],
    ['new Region()', { size: 100 }, (options) => new Region(options)],
    ['new Region() with a name', { size: 100, name: freshName() }, (options) => new Region(options)],
    ['Region.open()', {}, (options) => Region.open(freshName(), 100, options)],
  ])('by %s', (_, values, make) => {
    const all = { memory, ...values }
    const { asked, options } = counted(all)

    make(options).destroy()

    expect(asked).toEqual(Object.fromEntries(Object.keys(all).map((key) => [key, 1])))
  })

  test('by constructors, the name too', () => {
    for (const make of [
      (options: object) => new Mutex(options),
      (options: object) => new Semaphore(1, options),
      (options: object) => memory.alloc(1, options),
      (options: object) => new SharedMemory({ ...options, size: '2MiB' }),
    ]) {
      const { asked, options } = counted({ name: freshName() })

      make(options).destroy()

      expect(asked).toEqual({ name: 1 })
    }
  })

  test('by channels, but for `of`', () => {
    const { asked, options } = counted({
      memory,
      name: freshName(),
      capacity: '4KiB',
      from: 'one',
      to: 'one',
    })

    new Channel(options).destroy()

    expect(asked).toEqual({ memory: 1, name: 1, capacity: 1, from: 1, to: 1 })
  })

  test('by memories', () => {
    const { asked, options } = counted({ size: '2MiB' })

    SharedMemory.open(freshName(), options).destroy()

    expect(asked).toEqual({ size: 1 })
  })

  test('a mutex is of the type that was checked', () => {
    let asked = 0
    const lock = new Mutex({
      get type() {
        return asked++ === 0 ? 'recursive' : ('none of them' as 'normal')
      },
    })

    lock.lock()
    lock.lock()
    lock.unlock()
    lock.unlock()

    expect(lock.owner).toBeNull()
  })

  test.each([1, 2, 3, 4])(
    'a getter that throws when it is asked for the %i. time leaves nothing behind',
    (fatal) => {
      const small = new SharedMemory({ size: '2MiB' })
      make(0).destroy() // the slab of cells for channels is there from now on
      const { usedBytes } = small

      for (let i = 0; i < 100; i++) {
        try {
          make(fatal).destroy()
        } catch (error) {
          expect((error as Error).message).toBe('enough')
        }
      }

      expect(small.usedBytes).toBe(usedBytes)
      expect(small.check().problems).toEqual([])
      small.destroy()

      function make(throwsAt: number) {
        let asked = 0
        return new Channel({
          memory: small,
          from: 'one',
          to: 'one',
          get capacity() {
            if (++asked === throwsAt) throw new Error('enough')
            return 4096
          },
        })
      }
    },
  )
})

describe('what is none of it is refused with a code', () => {
  test.each([5, 'x', null, true])('%s for options', (bad) => {
    const options = bad as never

    for (const make of [
      () => new Mutex(options),
      () => Mutex.open(freshName(), options),
      () => new Semaphore(1, options),
      () => Semaphore.open(freshName(), 1, options),
      () => new Region(options),
      () => Region.open(freshName(), 10, options),
      () => Region.open(freshName(), undefined, options),
      () => memory.alloc(10, options),
      () => new Channel(options),
      () => Channel.open(freshName(), options),
      () => new SharedMemory(options),
      () => SharedMemory.open(freshName(), options),
    ]) {
      expect(thrownBy(make)).toMatchObject({ name: 'TypeError', code: USAGE })
    }
  })

  test.each([100, '100', null, true, { timeoutMs: NaN }, { timeoutMs: -1 }, { timeoutMs: '1' }])(
    '%o for a wait, also where nobody need wait',
    async (bad) => {
      const wait = bad as never
      const lock = new Mutex()
      const semaphore = new Semaphore(1)

      expect(thrownBy(() => lock.lock(wait))).toMatchObject({ code: USAGE })
      expect(thrownBy(() => lock.run(() => 1, wait))).toMatchObject({ code: USAGE })
      expect(thrownBy(() => { semaphore.acquire(wait) })).toMatchObject({ code: USAGE }) // prettier-ignore
      expect(await rejectionOf(lock.lockAsync(wait))).toMatchObject({ code: USAGE })
      expect(await rejectionOf(lock.runAsync(() => 1, wait))).toMatchObject({ code: USAGE })
      expect(await rejectionOf(semaphore.acquireAsync(wait))).toMatchObject({ code: USAGE })

      expect(lock.owner).toBeNull()
      expect(semaphore.value).toBe(1)
    },
  )

  test.each([5, null, undefined, {}])('%s for a section: nothing is locked', async (bad) => {
    const section = bad as never
    const lock = new Mutex()

    expect(thrownBy(() => lock.run(section))).toMatchObject({ name: 'TypeError', code: USAGE })
    expect(await rejectionOf(lock.runAsync(section))).toMatchObject({ name: 'TypeError', code: USAGE })

    expect(lock.owner).toBeNull()
  })

  test.each([() => 1, Math.max, async () => Promise.resolve()])('%s for a view type', (type) => {
    const region = memory.alloc(8)

    expect(thrownBy(() => region.as(type as never))).toMatchObject({ name: 'TypeError', code: USAGE })
    region.destroy()
  })

  test.each([1, '1KiB', 2 ** 21 - 1])('a memory of %s: a RangeError, as for all sizes', (size) => {
    const error = thrownBy(() => new SharedMemory({ size: size as number }))

    expect(error).toMatchObject({ name: 'RangeError', code: 'ERR_PAGEFRAME_OUT_OF_RANGE' })
    expect(error.message).toContain('new SharedMemory(): size must be at least 2 MiB')
  })

  test.each([
    5,
    null,
    {},
    { throwIfAborted: nothing },
    { aborted: false, throwIfAborted: nothing, addEventListener: nothing },
  ])('%o for a signal: nobody waits, and the lock is not lost', async (bad) => {
    const lock = new Mutex()
    const held = await lock.lockAsync()

    const error = await rejectionOf(lock.lockAsync({ signal: bad as never }))
    held.unlock()
    await pause(20) // if anybody waits, it has the lock by now

    expect(error).toMatchObject({ name: 'TypeError', code: USAGE })
    expect(lock.owner).toBeNull()
  })

  test('a signal that cannot be listened to ends the wait, and the lock is not lost', async () => {
    const lock = new Mutex()
    const held = await lock.lockAsync()
    const signal = new AbortController().signal
    signal.addEventListener = () => {
      throw new Error('no listeners')
    }

    const error = await rejectionOf(lock.lockAsync({ signal }))
    held.unlock()
    await pause(20) // if anybody waits, it has the lock by now

    expect(error.message).toBe('no listeners')
    expect(lock.owner).toBeNull()
  })
})

describe('the syscall of an ErrnoError is the verb alone', () => {
  test('new and open', () => {
    const name = freshName()
    const lock = Mutex.open(name)
    const small = new SharedMemory({ size: '2MiB' })

    expect(thrownBy(() => new Mutex({ name }))).toMatchObject({ code: 'EEXIST', syscall: 'new' })
    expect(thrownBy(() => Mutex.open(name, { type: 'recursive' }))).toMatchObject({ syscall: 'open' })
    expect(thrownBy(() => new Channel())).toMatchObject({ code: 'ENOTSUP', syscall: 'new' })
    expect(thrownBy(() => Channel.open(name))).toMatchObject({ code: 'ENOTSUP', syscall: 'open' })
    expect(thrownBy(() => small.alloc('64MiB'))).toMatchObject({ code: 'ENOMEM', syscall: 'new' })
    expect(thrownBy(() => Region.open(name, '64MiB', { memory: small }))).toMatchObject({ syscall: 'open' })

    lock.destroy()
    small.destroy()
  })
})
