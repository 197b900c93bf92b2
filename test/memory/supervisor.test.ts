/** Deaths that nobody can repair: the supervisor's, and that of the last thread in a memory that is torn. */

import { Channel, Mutex, SharedMemory } from 'pageframe'
import { threadMemories } from 'pageframe/internals'
import { describe, expect, test } from 'vitest'
import { mapOf } from '../../src/memory/superblock.ts'
import { Bucket } from '../../src/sync/wait-record.ts'
import { Actor, rejectionOf, script, thrownBy, within } from '../support.ts'

describe('when the last thread in a memory has died, it is checked', () => {
  // The queue of the first bucket: nobody has waited in it.
  const { bucketsAt } = mapOf(SharedMemory.default.byteLength, false)

  test('and poisoned if it is torn, so that whoever comes next is told', async () => {
    const ended = await script(
      async ({ startActor }, tail) => {
        // This thread never uses the memory.
        const crew = [await startActor(), await startActor()]
        await crew[0].run(({ Mutex, SharedMemory }, at) => {
          new Mutex({ name: 'x' }).lock()
          new Int32Array(SharedMemory.default.alloc(4).bytes.buffer)[at] = 12_345
        }, tail)
        await crew[0].end()
        await new Promise((resolve) => setTimeout(resolve, 300))
        const message = await crew[1].run(({ Mutex }) => {
          try {
            return Mutex.open('x').name
          } catch (error) {
            return (error as Error).message
          }
        })
        await crew[1].end()
        return message
      },
      [bucketsAt + Bucket.tail],
    )

    expect(ended.result).toBe(
      "ENOTRECOVERABLE: memory 'default' is poisoned: its check failed after the death of a thread. Make a new one",
    )
    expect(ended.stderr).toMatch(
      /PageframeWarning: memory 'default' is poisoned: its check failed after the death of thread \d+: lot bucket 0: tail is not the last record/,
    )
  })

  test('and goes on if it is whole, whatever the dead was in the middle of', async () => {
    const ended = await script(async ({ startActor }) => {
      const seen: unknown[] = []
      for (let i = 0; i < 5; i++) {
        const actor = await startActor()
        seen.push(
          await actor.run(({ Channel, Mutex, Region, Semaphore }, round) => {
            const lock = Mutex.open('x')
            const token = lock.lock()
            const channel = Channel.open(`c${round}`, { from: 'one', to: 'one', capacity: '4KiB' })
            channel.trySend(new Uint8Array(100))
            channel.tryLoan(100)
            if (round % 2 === 1) channel.tryRead()
            Region.open(`r${round}`, '64KiB')
            for (let i = 0; i < 100; i++) void new Semaphore(0).acquireAsync().catch(() => undefined)
            const { ownerDied } = token
            if (ownerDied) lock.markConsistent()
            return ownerDied
          }, i),
        )
        await actor.end()
      }
      return seen
    }, [])

    expect(ended).toMatchObject({ result: [false, true, true, true, true], stderr: '' })
  })
})

test('when the supervisor dies while every thread is blocked, each wait ends with ENOTRECOVERABLE, in any memory', async () => {
  const ended = await script(async ({ Mutex, Semaphore, SharedMemory, startActor }) => {
    const apart = new SharedMemory({ size: '2MiB' })
    const gate = new SharedArrayBuffer(4)
    const handles = structuredClone({
      lock: new Mutex(),
      permits: new Semaphore(0),
      apart: new Semaphore(0, { memory: apart }),
    })
    const crew = await Promise.all([startActor(), startActor(), startActor(), startActor()])
    const [killer, locked, elsewhere, alone] = crew
    await killer.run(({ Mutex }, { lock }) => void Mutex.from(lock).lock(), handles)
    await elsewhere.run(({ Semaphore }, { apart }) => Semaphore.from(apart).value, handles)
    const outcomes = [
      killer.run(
        ({ Semaphore }, { permits }, word) => {
          const mayBegin = new Int32Array(word)
          while (Atomics.load(mayBegin, 0) < 3) Atomics.wait(mayBegin, 0, Atomics.load(mayBegin, 0))
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200) // all are asleep
          const ours = Object.getOwnPropertySymbols(process).find((each) => each.description?.startsWith('pageframe:'))
          const { link } = Reflect.get(process, ours ?? '') as { link: { postMessage: (it: unknown) => void } }
          link.postMessage({ pageframe: 'register', offer: null }) // no supervisor survives that
          Semaphore.from(permits).acquire()
        },
        handles,
        gate,
      ),
      locked.run(
        ({ Mutex }, { lock }, word) => {
          const there = Mutex.from(lock)
          Atomics.add(new Int32Array(word), 0, 1)
          Atomics.notify(new Int32Array(word), 0)
          there.lock()
        },
        handles,
        gate,
      ),
      elsewhere.run(
        ({ Semaphore }, { apart }, word) => {
          const there = Semaphore.from(apart)
          Atomics.add(new Int32Array(word), 0, 1)
          Atomics.notify(new Int32Array(word), 0)
          there.acquire()
        },
        handles,
        gate,
      ),
      // Nobody else knows its memory.
      alone.run(
        ({ Semaphore, SharedMemory }, word) => {
          const there = new Semaphore(0, { memory: new SharedMemory({ size: '2MiB' }) })
          Atomics.add(new Int32Array(word), 0, 1)
          Atomics.notify(new Int32Array(word), 0)
          there.acquire()
        },
        gate,
      ),
    ].map((each) => each.then(() => 'got it', (error: unknown) => (error as { message: string }).message)) // prettier-ignore
    let here = 'got it'
    try {
      Semaphore.from(handles.permits).acquire()
    } catch (error) {
      here = (error as Error).message
    }
    const messages = [here, ...(await Promise.all(outcomes))]
    await Promise.all(crew.map((actor) => actor.end()))
    return messages
  }, [])

  const died = expect.stringMatching(
    /^ENOTRECOVERABLE: memory '.*' is poisoned: its supervisor died, so the death of a thread would go unnoticed/,
  ) as string
  expect(ended.result).toEqual([died, died, died, died, died])
  expect(ended.ms).toBeLessThan(10_000)
})

// Last: nothing of this process's default memory can be used afterwards.
test('when the supervisor dies, every wait ends with ENOTRECOVERABLE, and so does all later use', async () => {
  const apart = new SharedMemory({ size: '2MiB' })
  const lock = new Mutex()
  const free = new Mutex()
  const elsewhere = new Mutex({ memory: apart })
  const pipe = new Channel({ from: 'one', to: 'one', capacity: '4KiB' })
  pipe.loan(8).commit()
  pipe.loan(8).commit()
  pipe.read()?.[Symbol.dispose]()
  lock.lock()
  elsewhere.lock()
  const [blocked, waiting, idle] = await Actor.crew(3)
  const codeOf = (promise: Promise<unknown>) =>
    promise.then(
      () => 'none',
      (error: unknown) => (error as { code: string }).code,
    )
  const blockedCode = codeOf(
    blocked.run(({ Mutex, tell }, handle) => {
      const there = Mutex.from(handle)
      tell('waits')
      there.lock({ timeoutMs: 8000 })
    }, lock),
  )
  const waitingCode = codeOf(
    waiting.run(async ({ Mutex, tell }, handle) => {
      const there = Mutex.from(handle)
      tell('waits')
      await there.lockAsync({ timeoutMs: 8000 })
    }, elsewhere),
  )
  await idle.run(({ Mutex }, handle) => Mutex.from(handle).owner, free)
  await Promise.all([blocked.told('waits'), waiting.told('waits')])
  const here = rejectionOf(lock.lockAsync())
  const { supervisor } = threadMemories

  const began = performance.now()
  await within(supervisor?.terminate() ?? Promise.reject(new Error('no supervisor')), 'its end')

  expect(await Promise.all([blockedCode, waitingCode])).toEqual(['ENOTRECOVERABLE', 'ENOTRECOVERABLE'])
  const error = await here
  expect(error).toMatchObject({ code: 'ENOTRECOVERABLE', errno: -131 })
  expect(error.message).toContain("memory 'default' is poisoned: its supervisor died")
  expect(performance.now() - began).toBeLessThan(5000)
  for (const use of [
    () => new Mutex(),
    () => free.lock(),
    () => free.tryLock(),
    () => pipe.loan(8),
    () => pipe.read(),
    () => Mutex.open('x'),
    () => Mutex.from(structuredClone(free)),
    () => SharedMemory.default.alloc(1),
    () => SharedMemory.default.usedBytes,
    () => elsewhere.lock({ timeoutMs: 100 }),
  ])
    expect(thrownBy(use)).toMatchObject({ code: 'ENOTRECOVERABLE' })
  expect(
    await codeOf(idle.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), structuredClone(free))),
  ).toBe('ENOTRECOVERABLE')
})
