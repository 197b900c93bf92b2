import { Semaphore, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, freshName, rejectionOf, thrownBy } from '../support.ts'

const MOST = 0x7fffffff

test('a semaphore gives as many permits as it has, and takes them back', () => {
  const semaphore = new Semaphore(2)

  semaphore.acquire()
  expect(semaphore.tryAcquire()).toBe(true)
  expect(semaphore.value).toBe(0)
  expect(semaphore.tryAcquire()).toBe(false)
  semaphore.release(2)

  expect(semaphore.value).toBe(2)
})

test('whoever releases need not have acquired', () => {
  const semaphore = new Semaphore(0)

  semaphore.release(3)

  expect(semaphore.value).toBe(3)
})

test('release(n) lets n waiters through, and no more', async () => {
  const semaphore = new Semaphore(0)
  let through = 0
  const crew = await Actor.crew(2)
  for (const actor of crew) {
    actor.begin(({ Semaphore, tell }, handle) => {
      tell('waits')
      Semaphore.from(handle).acquire({ timeoutMs: 8000 })
      tell('through')
    }, semaphore)
  }
  const here = Array.from({ length: 3 }, () =>
    semaphore.acquireAsync({ timeoutMs: 5000 }).then(() => through++),
  )
  await Promise.all(crew.map((actor) => actor.told('waits')))

  semaphore.release(5)
  await Promise.all([...here, ...crew.map((actor) => actor.told('through'))])
  expect(through).toBe(3)
  expect(semaphore.value).toBe(0)

  const four = Array.from({ length: 4 }, () =>
    semaphore.acquireAsync({ timeoutMs: 300 }).then(() => through++),
  )
  semaphore.release(2)
  const outcomes = await Promise.allSettled(four)
  expect(outcomes.map((each) => each.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
  expect(semaphore.value).toBe(0)
})

test('more permits than fit is EOVERFLOW, and changes nothing', () => {
  const semaphore = new Semaphore(MOST - 1)

  expect(thrownBy(() => { semaphore.release(2) })).toMatchObject({ code: 'EOVERFLOW', errno: -75 }) // prettier-ignore
  expect(semaphore.value).toBe(MOST - 1)
  semaphore.release()
  expect(semaphore.value).toBe(MOST)
  expect(thrownBy(() => { semaphore.release() })).toMatchObject({ code: 'EOVERFLOW' }) // prettier-ignore
  expect(semaphore.value).toBe(MOST)
})

test.each([-1, 0.5, NaN, MOST + 1, '1', undefined, null])('%s permits are refused', (permits) => {
  const usedBytes = SharedMemory.default.usedBytes

  const error = thrownBy(() => new Semaphore(permits as number))

  expect(error.code).toMatch(/^ERR_PAGEFRAME_/)
  expect(SharedMemory.default.usedBytes).toBe(usedBytes)
})

test.each([0, -1, 0.5, '1', null])('%s permits cannot be released', (count) => {
  const semaphore = new Semaphore(1)

  expect(thrownBy(() => { semaphore.release(count as number) }).code).toMatch(/^ERR_PAGEFRAME_/) // prettier-ignore
  expect(semaphore.value).toBe(1)
})

test('ETIMEDOUT says how many came before', async () => {
  const name = freshName()
  const semaphore = Semaphore.open(name, 0)

  const waiting = semaphore.acquireAsync({ timeoutMs: 100 })
  const error = thrownBy(() => { semaphore.acquire({ timeoutMs: 20 }) }) // prettier-ignore

  expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'acquire' })
  expect(error.message).toBe(`ETIMEDOUT: Semaphore '${name}': no permit in 20 ms; 1 waiter is ahead of you`)
  const late = await rejectionOf(waiting)
  expect(late).toMatchObject({ code: 'ETIMEDOUT', syscall: 'acquireAsync' })
  expect(late.message).toContain('no permit in 100 ms; nobody is ahead of you')
})

test('an aborted wait rejects with the reason and takes no permit', async () => {
  const semaphore = new Semaphore(0)
  const controller = new AbortController()
  const waiting = rejectionOf(semaphore.acquireAsync({ signal: controller.signal }))

  controller.abort('enough')
  expect(await waiting).toBe('enough')
  semaphore.release()

  expect(semaphore.value).toBe(1)
  expect(await rejectionOf(semaphore.acquireAsync({ signal: AbortSignal.abort(3) }))).toBe(3)
  expect(semaphore.value).toBe(1)
})

test('a thread that dies keeps its permits, and returns none', async () => {
  const semaphore = new Semaphore(3)
  const other = await Actor.start()
  await other.run(({ Semaphore }, handle) => {
    const there = Semaphore.from(handle)
    there.acquire()
    there.acquire()
  }, semaphore)

  await other.end()

  expect(semaphore.value).toBe(1)
})

test('a waiter that dies takes no permit with it', async () => {
  const semaphore = new Semaphore(0)
  const crew = await Actor.crew(2)
  for (const actor of crew) {
    actor.begin(({ Semaphore, tell }, handle) => {
      tell('waits')
      Semaphore.from(handle).acquire({ timeoutMs: 8000 })
    }, semaphore)
    await actor.told('waits')
  }

  await Promise.all(crew.map((actor) => actor.end()))
  semaphore.release()
  await semaphore.acquireAsync({ timeoutMs: 5000 })

  expect(semaphore.value).toBe(0)
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('permits never go below zero or get lost, whatever mix of threads takes and gives them', async () => {
  const semaphore = new Semaphore(2)
  const inside = SharedMemory.default.alloc(64)
  const crew = await Actor.crew(3)

  const most = await Promise.all(
    crew.map((actor) =>
      actor.run(
        async ({ Semaphore, Region }, handle, region) => {
          const there = Semaphore.from(handle)
          const words = Region.from(region).as(Int32Array)
          let seen = 0
          for (let i = 0; i < 3000; i++) {
            if (i % 50 === 0) await there.acquireAsync({ timeoutMs: 8000 })
            else there.acquire({ timeoutMs: 8000 })
            seen = Math.max(seen, Atomics.add(words, 0, 1) + 1)
            Atomics.sub(words, 0, 1)
            there.release()
          }
          return seen
        },
        semaphore as object,
        inside as object,
      ),
    ),
  )

  expect(Math.max(...most)).toBeLessThanOrEqual(2)
  expect(semaphore.value).toBe(2)
})
