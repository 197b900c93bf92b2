/** isolated(): a default memory of its own for one test, and what it finds at its end. */

import { Mutex, Region, SharedMemory } from 'pageframe'
import { isolated, type LeftBehind } from 'pageframe/testing'
import { describe, expect, test } from 'vitest'
import { Actor, freshName, pause, rejectionOf } from '../support.ts'

const limit = { timeout: 60_000 }

describe('inside', () => {
  test('the default memory is another one, for the test and the workers it starts', limit, async () => {
    const outside = SharedMemory.default
    const name = freshName()
    new Mutex({ name })

    const result = await isolated(async (memory) => {
      expect(memory).not.toBe(outside)
      expect(SharedMemory.default).toBe(memory)
      new Mutex({ name }) // the name is free here
      const words = Region.open('words', 64).as(Int32Array)
      const worker = await Actor.start()
      await worker.run(({ Mutex, Region }, name) => {
        Mutex.open(name).run(() => Region.open('words', 64).as(Int32Array)[0]++)
      }, name)
      await worker.end()
      return words[0]
    })

    expect(result).toBe(1)
    expect(SharedMemory.default).toBe(outside)
    expect(Mutex.open(name).run(() => 'free')).toBe('free')
  })

  test('workers that ran before keep the memory they had', limit, async () => {
    const worker = await Actor.start()
    const id = await worker.run(({ SharedMemory }) => SharedMemory.default.memory)

    const inside = await isolated(() => worker.run(({ SharedMemory }) => SharedMemory.default.memory))

    expect(inside).toBe(id)
  })

  test('a second one at once is EBUSY, one after the other is not', async () => {
    const first = isolated(() => pause(20))

    expect(await rejectionOf(isolated(() => undefined))).toMatchObject({ code: 'EBUSY', errno: -16 })
    await first
    await isolated(() => undefined)
  })

  test('the memory is destroyed in the end', async () => {
    const memory = await isolated((memory) => memory)

    expect(() => memory.usedBytes).toThrow(expect.objectContaining({ code: 'ESTALE' }) as Error)
  })
})

describe('what is left behind is told', () => {
  const problemsOf = async (test: () => unknown, options = {}): Promise<string> => {
    const error = (await rejectionOf(isolated(test, options))) as unknown as LeftBehind
    expect(error.code).toBe('ERR_PAGEFRAME_LEFT_BEHIND')
    return error.problems.join('\n')
  }

  test('a lock that is held', async () => {
    expect(await problemsOf(() => void new Mutex({ name: 'jobs' }).lock())).toMatch(
      /^thread 0 'main' still holds Mutex 'jobs'$|^thread \d+.* still holds Mutex 'jobs'$/,
    )
  })

  test('a wait that goes on', async () => {
    const problems = await problemsOf(() => {
      const mutex = new Mutex({ name: 'jobs' })
      mutex.lock()
      mutex.lockAsync({ ref: false }).catch(() => undefined)
    })

    expect(problems).toMatch(/still waits for Mutex 'jobs'/)
  })

  test('a worker that does not end', limit, async () => {
    let worker: Actor | undefined
    const problems = await problemsOf(
      async () => {
        worker = await Actor.start()
      },
      { endsWithinMs: 50 },
    )

    expect(problems).toMatch(/^worker \d+ has not ended 50 ms after the test$/)
    expect(worker?.exitCode).toBe(1)
  })

  test('an object that is there yet, if that is asked for', async () => {
    const make = () => {
      new Mutex({ name: 'jobs' })
    }

    expect(await problemsOf(make, { destroyed: true })).toBe("Mutex 'jobs' was not destroyed")
    await isolated(make)
    await isolated(
      () => {
        new Mutex().destroy()
      },
      { destroyed: true },
    )
  })

  test('what the test throws comes first, and its workers end', limit, async () => {
    let worker: Actor | undefined
    const error = await rejectionOf(
      isolated(async () => {
        worker = await Actor.start()
        worker.begin(({ Mutex }) => {
          new Mutex().lock()
          Mutex.open('x').run(() => undefined)
        })
        throw new RangeError('of the test')
      }),
    )

    expect(error).toMatchObject({ name: 'RangeError', message: 'of the test' })
    expect(worker?.exitCode).toBe(1)
    await isolated(() => undefined)
  })
})

test('misuse is refused before anything has changed', async () => {
  const memory = SharedMemory.default
  for (const [args, what] of [
    [[undefined], /test must be a function/],
    [[() => 1, 7], /options must be an object/],
    [[() => 1, { size: 'big' }], /size must be/],
    [[() => 1, { size: 4096 }], /2 MiB or more/],
    [[() => 1, { endsWithinMs: -1 }], /endsWithinMs must be/],
  ] as const) {
    const call = isolated as (...args: unknown[]) => Promise<unknown>
    const error = await rejectionOf(call(...args))
    expect(error.message).toMatch(what)
    expect(error.code).toMatch(/^ERR_PAGEFRAME_/)
  }
  expect(SharedMemory.default).toBe(memory)
})
