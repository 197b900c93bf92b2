/** Sequence locks, with real workers. */

import { SeqLock, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, pause, rejectionOf, thrownBy } from '../support.ts'

/** Another thread writes, and does not come to an end. */
async function writtenElsewhere(lock: SeqLock): Promise<Actor> {
  const other = await Actor.start()
  other.begin(({ SeqLock, tell }, handle) => {
    SeqLock.from(handle).write(() => {
      tell('writes')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
    })
  }, lock)
  await other.told('writes')
  return other
}

describe('reading and writing', () => {
  test('what a section reads is of one write, whoever writes meanwhile; and no write is lost', async () => {
    const lock = new SeqLock()
    const region = SharedMemory.default.alloc(256)
    const crew = await Actor.crew(3)
    const rounds = 20_000
    const work = crew.map((actor, index) =>
      actor.run(
        ({ SeqLock, Region }, handle, data, writes, count) => {
          const there = SeqLock.from(handle)
          const words = Region.from(data).as(Int32Array)
          let torn = 0
          for (let i = 0; i < count; i++) {
            if (writes) {
              there.write(() => {
                for (let at = 0; at < 16; at++) words[at]++
              })
            } else {
              const seen = there.read(() => words.slice(0, 16))
              if (seen.some((word) => word !== seen[0])) torn++
            }
          }
          return torn
        },
        lock,
        region,
        index > 0,
        rounds,
      ),
    )

    expect(await Promise.all(work)).toEqual([0, 0, 0])
    expect(lock.read(() => region.as(Int32Array)[15])).toBe(2 * rounds)
  })

  test('a value comes back, an error too if what it saw was whole, and begin() and validate() do it by hand', () => {
    const lock = new SeqLock()
    const words = SharedMemory.default.alloc(64).as(Int32Array)

    expect(lock.write((died) => [died, (words[0] = 7)])).toEqual([false, 7])
    expect(lock.read(() => words[0])).toBe(7)
    expect(thrownBy(() => lock.read(() => { throw new Error('mine') })).message).toBe('mine') // prettier-ignore
    const began = lock.begin()
    expect(lock.validate(began)).toBe(true)
    lock.write(() => words[0]++)
    expect(lock.validate(began)).toBe(false)
    expect(lock.write(() => lock.read(() => words[0]))).toBe(8)
    expect(thrownBy(() => lock.write(() => lock.write(() => 0)))).toMatchObject({ code: 'EDEADLK' })
    expect(lock.read(() => words[0])).toBe(8)
  })

  test('an unfinished write keeps readers and writers out, in time', async () => {
    const lock = new SeqLock({ name: 'position' })
    const other = await writtenElsewhere(lock)

    expect(thrownBy(() => lock.read(() => 0, { timeoutMs: 20 }))).toMatchObject({
      code: 'ETIMEDOUT',
      message: expect.stringMatching(
        /SeqLock 'position': not whole and free in 20 ms; thread \d+.* writes/,
      ) as string,
    })
    expect(thrownBy(() => lock.write(() => 0, { timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await rejectionOf(lock.readAsync(() => 0, { timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await rejectionOf(lock.writeAsync(() => 0, { timeoutMs: 20 }))).toMatchObject({
      code: 'ETIMEDOUT',
    })
    await other.end()
    lock.destroy()
  })
})

describe('when a writer dies in the middle', () => {
  test('readers wait until the next writer, who is told, has made it whole', async () => {
    const lock = new SeqLock()
    const other = await writtenElsewhere(lock)
    const reading = lock.readAsync(() => 'whole', { timeoutMs: 5000 })
    await other.end()
    await eventually(() => SharedMemory.default.check().problems.length === 0, 'the reaper')
    await pause(20)
    expect(thrownBy(() => lock.read(() => 0, { timeoutMs: 20 })).message).toMatch(
      /nobody has repaired it|writes/,
    )

    expect(thrownBy(() => lock.write(() => { throw new Error('cannot') })).message).toBe('cannot') // prettier-ignore
    expect(thrownBy(() => lock.read(() => 0, { timeoutMs: 20 }))).toMatchObject({ code: 'ETIMEDOUT' })
    expect(await lock.writeAsync((died) => died)).toBe(true)

    expect(await reading).toBe('whole')
    expect(lock.write((died) => died)).toBe(false)
  })

  test('destroyed: whoever waits or comes gets ESTALE', async () => {
    const lock = new SeqLock()
    const other = await writtenElsewhere(lock)
    const waiting = [rejectionOf(lock.readAsync(() => 0)), rejectionOf(lock.writeAsync(() => 0))]
    await pause(10)

    lock.destroy()

    for (const one of waiting) expect(await one).toMatchObject({ code: 'ESTALE' })
    expect(thrownBy(() => lock.read(() => 0))).toMatchObject({ code: 'ESTALE' })
    await other.end()
  })
})
