/** Read-write locks, with real workers. */

import { RwLock, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, pause, rejectionOf, thrownBy } from '../support.ts'

/** Another thread holds one side of it until it is ended. */
async function heldElsewhere(lock: RwLock, side: 'read' | 'write'): Promise<Actor> {
  const other = await Actor.start()
  other.begin(
    ({ RwLock, tell }, handle, which) => {
      RwLock.from(handle)[which].lock()
      tell('holds')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
    },
    lock,
    side,
  )
  await other.told('holds')
  return other
}

describe('who gets in', () => {
  test('many read, and nobody writes meanwhile', async () => {
    const lock = new RwLock()
    const other = await heldElsewhere(lock, 'read')

    const mine = lock.read.lock()
    expect(mine.locked).toBe(true)
    mine.unlock()
    expect(mine.locked).toBe(false)
    expect(lock.write.tryLock()).toBeNull()
    expect(thrownBy(() => lock.write.lock({ timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT' })

    await other.end()
    lock.write.lock({ timeoutMs: 5000 }).unlock()
  })

  test('one writes, and nobody reads or writes meanwhile', async () => {
    const lock = new RwLock({ name: 'prices' })
    const other = await heldElsewhere(lock, 'write')

    expect(lock.read.tryLock()).toBeNull()
    expect(lock.write.tryLock()).toBeNull()
    expect(typeof lock.writer).toBe('number')
    expect(thrownBy(() => lock.read.lock({ timeoutMs: 20 }))).toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringMatching(
        /RwLock 'prices': not acquired to read in 20 ms; thread \d+.* writes, nobody is ahead of you/,
      ) as string,
    })
    expect(await rejectionOf(lock.write.lockAsync({ timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT' })

    await other.end()
    lock.read.lock({ timeoutMs: 5000 }).unlock()
    lock.destroy()
  })

  test('increments under write are not lost, and readers see no half of one', async () => {
    const lock = new RwLock()
    const region = SharedMemory.default.alloc(64)
    const pair = region.as(Int32Array)
    const crew = await Actor.crew(4)
    const work = crew.map((actor, index) =>
      actor.run(
        ({ RwLock, Region }, handle, words, writes, rounds) => {
          const there = RwLock.from(handle)
          const two = Region.from(words).as(Int32Array)
          let torn = 0
          for (let i = 0; i < rounds; i++) {
            if (writes) {
              there.write.run(() => {
                two[0]++
                two[1]++
              })
            } else {
              there.read.run(() => {
                if (two[0] !== two[1]) torn++
              })
            }
          }
          return torn
        },
        lock,
        region,
        index % 2 === 0,
        20_000,
      ),
    )

    expect(await Promise.all(work)).toEqual([0, 0, 0, 0])
    expect([pair[0], pair[1]]).toEqual([40_000, 40_000])
  })
})

describe('who goes first', () => {
  /** Another thread reads, a third one waits to write; then this one asks to read. */
  async function readerBehindWriter(prefer: 'readers' | 'writers'): Promise<{ lock: RwLock; got: boolean }> {
    const lock = new RwLock({ prefer })
    const [writer] = [await Actor.start(), await heldElsewhere(lock, 'read')]
    writer.begin(({ RwLock }, handle) => RwLock.from(handle).write.lock(), lock)
    await pause(50)
    const token = lock.read.tryLock()
    token?.unlock()
    return { lock, got: token !== null }
  }

  test('prefer readers: a reader comes in although a writer waits', async () => {
    expect((await readerBehindWriter('readers')).got).toBe(true)
  })

  test('prefer writers, the default: a reader waits while a writer waits', async () => {
    const { lock, got } = await readerBehindWriter('writers')

    expect(got).toBe(false)
    expect(new RwLock().read.tryLock()).not.toBeNull()
    expect(await rejectionOf(lock.read.lockAsync({ timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT' })
  })

  test('prefer writers: when the writer gives up, the readers who waited because of it come in', async () => {
    const lock = new RwLock()
    const [writer] = [await Actor.start(), await heldElsewhere(lock, 'read')]
    const late = writer.run(({ RwLock }, handle) => {
      try {
        RwLock.from(handle).write.lock({ timeoutMs: 200 })
        return 'got it'
      } catch (error) {
        return (error as { code: string }).code
      }
    }, lock)
    await pause(50)

    lock.read.lock({ timeoutMs: 5000 }).unlock()

    expect(await late).toBe('ETIMEDOUT')
  })

  test('a thread that reads may read again although a writer waits', async () => {
    const lock = new RwLock()
    const writer = await Actor.start()
    lock.read.lock()
    writer.begin(({ RwLock, tell }, handle) => {
      RwLock.from(handle).write.lock()
      tell('writes')
    }, lock)
    await pause(50)

    lock.read.lock({ timeoutMs: 1000 })
    lock.read.unlock()
    expect(writer.hasTold('writes')).toBe(false)
    lock.read.unlock()

    await writer.told('writes')
  })
})

describe('one thread with itself', () => {
  test('to write while it reads, and to read or write while it writes, is EDEADLK', () => {
    const lock = new RwLock()

    lock.read.lock()
    expect(thrownBy(() => lock.write.lock())).toMatchObject({ code: 'EDEADLK' })
    expect(lock.write.tryLock()).toBeNull()
    lock.read.unlock()

    lock.write.lock()
    expect(thrownBy(() => lock.write.lock())).toMatchObject({ code: 'EDEADLK' })
    expect(thrownBy(() => lock.read.lock())).toMatchObject({ code: 'EDEADLK' })
    expect(lock.read.tryLock()).toBeNull()
    lock.write.unlock()
  })

  test('unlock of what it does not hold is EPERM', () => {
    const lock = new RwLock()

    expect(thrownBy(() => { lock.read.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    expect(thrownBy(() => { lock.write.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    lock.read.lock()
    expect(thrownBy(() => { lock.write.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    lock.read.unlock()
    expect(thrownBy(() => { lock.read.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
  })

  test('who reads is named, and alive', async () => {
    const lock = new RwLock()
    const other = await Actor.start()
    await other.run(({ RwLock }, handle) => void RwLock.from(handle).read.lock(), lock)

    const late = await rejectionOf(lock.write.lockAsync({ timeoutMs: 10 }))
    expect(late.message).toContain(`thread ${other.threadId}`)
    expect(late.message).toContain('reads it')
    expect(late.message).not.toContain('ended')
    expect(() => { lock.write.unlock() }).toThrow(`thread ${other.threadId}`) // prettier-ignore
  })

  test('and says so if nobody has it, not that somebody had', () => {
    const lock = new RwLock()

    expect(() => { lock.read.unlock() }).toThrow('this thread does not read under it; nobody has it') // prettier-ignore
    expect(() => { lock.write.unlock() }).toThrow('this thread does not write under it; nobody has it') // prettier-ignore
  })

  test('it reads under more locks than its line has room for, and each still keeps writers out', async () => {
    const locks = Array.from({ length: 700 }, () => new RwLock())
    const other = await Actor.start()
    const probe = (handles: RwLock[]) =>
      other.run(
        ({ RwLock }, all) =>
          all.filter((handle) => {
            const token = RwLock.from(handle).write.tryLock()
            token?.unlock()
            return token !== null
          }).length,
        handles,
      )

    for (const lock of locks) lock.read.lock()
    for (const lock of locks.slice(0, 20)) lock.read.lock()
    expect(await probe(locks)).toBe(0)
    for (const lock of locks) lock.read.unlock()
    expect(await probe(locks)).toBe(680)
    for (const lock of locks.slice(0, 20)) lock.read.unlock()
    expect(await probe(locks)).toBe(700)
    for (const lock of locks) lock.destroy()
  })

  test('run() and the tokens unlock, also when the section throws', () => {
    const lock = new RwLock()

    expect(lock.read.run((held) => held.locked)).toBe(true)
    expect(thrownBy(() => lock.write.run(() => { throw new Error('mine') })).message).toBe('mine') // prettier-ignore
    expect(lock.writer).toBeNull()
    expect(thrownBy(() => lock.read.run(undefined as never))).toMatchObject({ name: 'TypeError' })
  })
})

describe('asynchronous sections', () => {
  test('readers together, a writer alone, in order; each token ends its own section', async () => {
    const lock = new RwLock()
    const done: string[] = []

    const [one, two] = await Promise.all([lock.read.lockAsync(), lock.read.lockAsync()])
    const writing = lock.write.runAsync(async () => {
      done.push('write')
      await pause(5)
      done.push('written')
    })
    const third = lock.read.runAsync(() => done.push('read'))
    await pause(10)
    expect(done).toEqual([])
    expect(thrownBy(() => { lock.read.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    one.unlock()
    expect(one.locked).toBe(false)
    expect(two.locked).toBe(true)
    two.unlock()
    await Promise.all([writing, third])

    expect(done).toEqual(['write', 'written', 'read'])
    expect(thrownBy(() => { two.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
  })

  test('to block where an asynchronous section of this thread is in the way is EDEADLK', async () => {
    const lock = new RwLock()

    const writing = await lock.write.lockAsync()
    expect(thrownBy(() => lock.read.lock())).toMatchObject({ code: 'EDEADLK' })
    expect(thrownBy(() => { lock.write.unlock() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    writing.unlock()
    const reading = await lock.read.lockAsync()
    expect(thrownBy(() => lock.write.lock())).toMatchObject({ code: 'EDEADLK' })
    lock.read.lock().unlock()
    reading.unlock()
  })

  test('an aborted writer lets those in who waited because of it', async () => {
    const lock = new RwLock()
    const other = await heldElsewhere(lock, 'read')
    const gone = new AbortController()
    const writing = lock.write.lockAsync({ signal: gone.signal })
    const reading = lock.read.lockAsync({ timeoutMs: 5000 })
    await pause(20)

    gone.abort(new Error('no more'))

    expect((await rejectionOf(writing)).message).toBe('no more')
    const token = await reading
    expect(token.locked).toBe(true)
    token.unlock()
    await other.end()
  })
})

describe('deaths', () => {
  test('a dead reader reads no more', async () => {
    const lock = new RwLock()
    const others = await Promise.all([1, 2, 3].map(() => heldElsewhere(lock, 'read')))
    const waiting = lock.write.lockAsync({ timeoutMs: 5000 })

    for (const other of others) await other.end()

    const token = await waiting
    expect(token.ownerDied).toBe(false)
    token.unlock()
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('a dead writer: readers and the next writer are told, until it is repaired', async () => {
    const lock = new RwLock()
    const other = await heldElsewhere(lock, 'write')
    const waiting = lock.read.lockAsync({ timeoutMs: 5000 })
    await other.end()

    const reading = await waiting
    expect(reading.ownerDied).toBe(true)
    reading.unlock()
    const writing = lock.write.lock()
    expect(writing.ownerDied).toBe(true)
    lock.markConsistent()
    expect(writing.ownerDied).toBe(false)
    writing.unlock()

    expect(lock.read.run((held) => held.ownerDied)).toBe(false)
    expect(thrownBy(() => { lock.markConsistent() })).toMatchObject({ code: 'EINVAL' }) // prettier-ignore
  })

  test('a writer that was told and does not repair leaves ENOTRECOVERABLE to everybody', async () => {
    const lock = new RwLock()
    await (await heldElsewhere(lock, 'write')).end()
    await eventually(() => lock.writer === null, 'the reaper')
    lock.write.lock()
    const waiting = [rejectionOf(lock.read.lockAsync()), rejectionOf(lock.write.lockAsync())]
    lock.write.unlock()

    for (const refused of waiting) expect(await refused).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(thrownBy(() => lock.read.lock())).toMatchObject({ code: 'ENOTRECOVERABLE' })
    expect(thrownBy(() => lock.write.tryLock())).toMatchObject({ code: 'ENOTRECOVERABLE' })
  })

  test('killed readers and writers, again and again: nobody else waits for ever', async () => {
    const lock = new RwLock()
    for (let round = 0; round < 6; round++) {
      const crew = await Actor.crew(2)
      crew.forEach((actor, index) => {
        actor.begin(
          ({ RwLock, tell }, handle, writes) => {
            const there = RwLock.from(handle)
            const side = writes ? there.write : there.read
            for (let i = 0; ; i++) {
              if (side.lock().ownerDied && writes) there.markConsistent()
              side.unlock()
              if (i === 100) tell('runs')
            }
          },
          lock,
          index === 0,
        )
      })
      await Promise.all(crew.map((actor) => actor.told('runs')))
      await Promise.all(crew.map((actor) => actor.end()))
      if (lock.write.lock({ timeoutMs: 5000 }).ownerDied) lock.markConsistent()
      lock.write.unlock()
    }
    expect(SharedMemory.default.check().problems).toEqual([])
  })
})

describe('as an object', () => {
  test('by name, by handle, and options that contradict', () => {
    const lock = RwLock.open('a lock to share', { prefer: 'readers' })

    expect(RwLock.open('a lock to share')).toBe(lock)
    expect(RwLock.from(structuredClone(lock))).toBe(lock)
    expect(Object.keys(lock)).toEqual(['$pageframe', 'memory', 'at', 'generation'])
    expect(thrownBy(() => RwLock.open('a lock to share', { prefer: 'writers' }))).toMatchObject({
      code: 'EEXIST',
      message: expect.stringMatching(/prefers readers; this thread asked for writers/) as string,
    })
    expect(thrownBy(() => new RwLock({ prefer: 'both' as never }))).toMatchObject({ name: 'TypeError' })
    lock.destroy()
  })

  test('destroyed: whoever waits or comes gets ESTALE, and what lies there next is free', async () => {
    const lock = new RwLock()
    const { read } = lock
    const other = await heldElsewhere(lock, 'read')
    const waiting = rejectionOf(lock.write.lockAsync())
    await pause(10)

    lock.destroy()

    expect(await waiting).toMatchObject({ code: 'ESTALE' })
    expect(thrownBy(() => read.lock())).toMatchObject({ code: 'ESTALE' })
    expect(thrownBy(() => { read.unlock() })).toMatchObject({ code: 'ESTALE' }) // prettier-ignore
    const next = Array.from({ length: 40 }, () => new RwLock())
    for (const one of next) expect(one.write.tryLock()).not.toBeNull()
    for (const one of next) one.destroy()
    await other.end()
  })
})
