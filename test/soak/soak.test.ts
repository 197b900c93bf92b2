/**
 * Everything at once, for a while: threads that lock, take permits, run asynchronous sections and are killed at random.
 *
 *   PAGEFRAME_SOAK_SECONDS   how long, 20 if not given; up to 20 more if by then too few have died (rest.ts)
 *
 * What must hold at any moment
 *   exclusion   the two words behind each mutex are equal whenever somebody gets the lock (or its owner died)
 *   notice      whoever finds them unequal was told that the last owner died
 *   liveness    no wait lasts 2 s
 * and at rest, after each death: check() is clean, and every lock is there to be had, with notice if the dead tore what it
 * protects. At the end the memory is as full as before.
 */

import { Piscina } from 'piscina'
import { Mutex, Semaphore, SharedMemory } from 'pageframe'
import { afterAll, expect, test } from 'vitest'
import { Actor, pause, within } from '../support.ts'
import { emptied, isEnough, LEAST_DEATHS, problemsAtRest } from './rest.ts'

const SECONDS = Number(process.env.PAGEFRAME_SOAK_SECONDS ?? 20)
const FIXTURE = new URL('../fixtures/soak-worker.mjs', import.meta.url).href
const MUTEXES = 4
const WORKERS = 4
const PERMITS = 3
/** Words of the region: pairs behind the mutexes, then these. */
const STOP = 2 * MUTEXES
const SECTIONS = STOP + 2
const NOTICES = STOP + 3
const PAUSED = STOP + 4
const WORDS = STOP + 8

interface Stage {
  readonly locks: readonly object[]
  readonly semaphore: object
  readonly region: object
}

const pools: Piscina[] = []
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.destroy().catch(() => undefined)))
})

// Channels have a soak of their own: exchange.test.ts.

test(
  'nothing is lost, torn or forgotten while threads die',
  async () => {
    const memory = SharedMemory.default
    const locks = Array.from({ length: MUTEXES }, () => new Mutex())
    const semaphore = new Semaphore(PERMITS)
    const region = memory.alloc(WORDS * 4)
    const words = region.as(Int32Array)
    const stage: Stage = { locks, semaphore, region }
    const tasks = new Piscina({ filename: FIXTURE, minThreads: 1, maxThreads: 2 })
    tasks.on('error', () => undefined)
    pools.push(tasks)

    const start = async (): Promise<Actor> => {
      const actor = await Actor.start()
      const failures = actor.runWithin((SECONDS + 30) * 1000, takeTurns, FIXTURE, stage)
      failures.then(
        (found) => problems.push(...found),
        (error: unknown) => {
          if (actor.exitCode === undefined && words[STOP] === 0) problems.push(String(error))
        },
      )
      return actor
    }

    const problems: string[] = []
    let actors = await Promise.all(Array.from({ length: WORKERS }, start))
    let deaths = 0
    const began = performance.now()
    const isOver = () => problems.length > 0 || isEnough(began, SECONDS, deaths, words[NOTICES])

    const poolTurns = (async () => {
      while (!isOver()) {
        const found = (await tasks.run(stage).catch(() => [])) as string[]
        problems.push(...found)
      }
    })()

    const mainTurns = (async () => {
      while (!isOver()) {
        await pause(1)
        if (words[PAUSED] === 1) continue
        await visitSoon(words, locks, Math.floor(Math.random() * MUTEXES), problems)
        await semaphore.acquireAsync({ timeoutMs: 2000 })
        semaphore.release()
      }
    })().catch((error: unknown) => problems.push(`main: ${String(error)}`))

    while (!isOver()) {
      await pause(Math.random() * 150)
      const victim = actors[Math.floor(Math.random() * actors.length)]
      await victim.end()
      deaths++
      problems.push(...(await problemsAtRest(words, PAUSED, victim.threadId)))
      for (let i = 0; i < MUTEXES; i++) await visitSoon(words, locks, i, problems)
      actors = [...actors.filter((actor) => actor !== victim), await start()]
      // Permits of the dead are gone: that is what a semaphore is.
      refill(semaphore)
    }

    words[STOP] = 1
    await within(Promise.all([poolTurns, mainTurns]), 'the last turns')
    await Promise.all(actors.map((actor) => actor.end()))
    await tasks.destroy()

    expect(problems).toEqual([])
    await emptied()
    expect(memory.check().problems).toEqual([])
    for (const lock of locks) {
      if (lock.lock({ timeoutMs: 2000 }).ownerDied) lock.markConsistent()
      lock.unlock()
    }
    expect(words[SECTIONS]).toBeGreaterThan(1000)
    expect(deaths).toBeGreaterThanOrEqual(LEAST_DEATHS)
    expect(words[NOTICES]).toBeGreaterThan(0)
    console.log(`soak: ${words[SECTIONS]} sections, ${deaths} deaths, ${words[NOTICES]} notices`)
  },
  (SECONDS + 60) * 1000,
)

test('what threads that were killed had is given back', async () => {
  const memory = SharedMemory.default
  const stage: Stage = {
    locks: Array.from({ length: MUTEXES }, () => new Mutex()),
    semaphore: new Semaphore(PERMITS),
    region: memory.alloc(WORDS * 4),
  }
  const generation = async () => {
    const actors = await Actor.crew(3)
    for (const actor of actors) actor.begin(takeTurns, FIXTURE, stage)
    await pause(300)
    await Promise.all(actors.map((actor) => actor.end()))
    await emptied()
    refill(stage.semaphore as Semaphore)
  }
  await generation()
  const { usedBytes } = memory

  for (let i = 0; i < 6; i++) await generation()

  expect(memory.usedBytes).toBe(usedBytes)
  expect(memory.check().problems).toEqual([])
})

/** What an actor runs. */
async function takeTurns(_: unknown, fixture: string, stage: unknown): Promise<string[]> {
  const { turns } = (await eval(`import(${JSON.stringify(fixture)})`)) as {
    turns: (stage: unknown) => Promise<string[]>
  }
  return turns(stage)
}

/** Main's own visit, as soon as the lock is free. It must be so within 2 s. */
async function visitSoon(words: Int32Array, locks: readonly Mutex[], i: number, problems: string[]) {
  await locks[i].runAsync(
    (held) => {
      visit(words, i, held.ownerDied, locks[i], problems)
    },
    { timeoutMs: 2000 },
  )
}

/** One visit to what a mutex protects: both words are equal, or the last visitor died here. */
function visit(words: Int32Array, i: number, ownerDied: boolean, lock: Mutex, problems: string[]): void {
  const [a, b] = [2 * i, 2 * i + 1]
  if (words[a] !== words[b] && !ownerDied)
    problems.push(`main: mutex ${i}: ${words[a]} and ${words[b]}, and no notice`)
  if (ownerDied) {
    words[b] = words[a]
    Atomics.add(words, NOTICES, 1)
    lock.markConsistent()
  }
  words[a]++
  words[b]++
  Atomics.add(words, SECTIONS, 1)
}

function refill(semaphore: Semaphore): void {
  if (semaphore.value === 0) semaphore.release(PERMITS)
}
