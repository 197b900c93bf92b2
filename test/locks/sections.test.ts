/** Sections: what becomes of the lock, and of what the section threw or returned. */

import { Epoch, Mutex, RwLock, SeqLock, SharedMemory, SpinLock } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { thrownBy } from '../support.ts'

const rwlock = new RwLock()
const mutex = new Mutex()
const spin = new SpinLock()
const epoch = new Epoch()

const locks = [
  { name: 'Mutex.run()', lock: mutex, whole: mutex },
  { name: 'RwLock.read.run()', lock: rwlock.read, whole: rwlock.write },
  { name: 'RwLock.write.run()', lock: rwlock.write, whole: rwlock.write },
  { name: 'SpinLock.run()', lock: spin, whole: spin },
]

describe.each(locks)('$name', ({ name, lock, whole }) => {
  test('a section that returns a promise is refused, with the lock unlocked', () => {
    // eslint-disable-next-line @typescript-eslint/require-await -- what people write by mistake
    const error = thrownBy(() => lock.run(async () => 1))

    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    expect(error.message).toContain(name)
    expect(error.message).toContain(lock === spin ? 'Mutex' : 'runAsync()')
    expect(whole.tryLock()?.locked).toBe(true)
    whole.unlock()
  })

  test('what a section throws that has unlocked by itself is what comes out', () => {
    const run = () =>
      lock.run((held) => {
        held.unlock()
        throw new Error('inside')
      })

    expect(run).toThrow('inside')
  })

  test('a section that unlocked by itself and returns is EPERM', () => {
    const run = () => {
      lock.run((held) => {
        held.unlock()
      })
    }

    expect(thrownBy(run)).toMatchObject({ code: 'EPERM', syscall: 'unlock' })
  })
})

test.each([
  { name: 'Mutex', lock: mutex },
  { name: 'RwLock.read', lock: rwlock.read },
  { name: 'RwLock.write', lock: rwlock.write },
])('$name.runAsync(): what a section throws that has unlocked is what comes out', async ({ lock }) => {
  const running = lock.runAsync((held) => {
    held.unlock()
    throw new Error('inside')
  })

  await expect(running).rejects.toThrow('inside')
})

test('a thenable is a promise, an object with something else in `then` is not', () => {
  const odd = { then: 1 }

  expect(mutex.run(() => odd)).toBe(odd)
  expect(thrownBy(() => mutex.run(() => ({ then: () => 1 }))).code).toBe('ERR_PAGEFRAME_INVALID_ARGUMENT')
  expect(mutex.owner).toBeNull()
})

test('an epoch refuses an asynchronous section, and has left it', () => {
  const error = thrownBy(() => epoch.run(() => Promise.resolve()))

  expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
  epoch.synchronize({ timeoutMs: 0 })
})

describe('SeqLock', () => {
  const lock = new SeqLock()
  const words = SharedMemory.default.alloc(64).as(Int32Array)
  const refused = { name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' }

  test('read() and write() refuse an asynchronous section; nobody waits for it afterwards', () => {
    const written = thrownBy(() => lock.write(() => Promise.resolve((words[0] = 1))))
    const read = thrownBy(() => lock.read(() => Promise.resolve(words[0])))

    expect(written).toMatchObject(refused)
    expect(written.message).toContain('SeqLock.write()')
    expect(read).toMatchObject(refused)
    expect(read.message).toContain('SeqLock.read()')
    expect(lock.read(() => words[0], { timeoutMs: 0 })).toBe(1)
  })

  test('so do readAsync() and writeAsync(), and a read of the thread that writes', async () => {
    await expect(lock.writeAsync(() => Promise.resolve())).rejects.toMatchObject(refused)
    await expect(lock.readAsync(() => Promise.resolve())).rejects.toMatchObject(refused)
    expect(thrownBy(() => lock.write(() => lock.read(() => Promise.resolve())))).toMatchObject(refused)
    expect(lock.read(() => words[0], { timeoutMs: 0 })).toBe(1)
  })
})
