/**
 * Every kind of lock, by more threads than there are cores, while threads are killed at random.
 *
 *   PAGEFRAME_SOAK_SECONDS   how long; 8 if not given. 60 is what a release should have had
 *
 * What must hold at any moment
 *   exclusion   the two words behind each lock are equal whenever somebody gets it, or a reader looks
 *   notice      whoever finds them unequal was told that the last owner died
 *   liveness    no wait lasts a second, though there are four threads for each of two cores
 *   events      no more threads pass than there were sets
 * and in the end check() is clean, every lock is there to be had, and a minute had fifty million sections.
 */

import {
  Condition,
  Mutex,
  ResetEvent,
  RwLock,
  Semaphore,
  SharedMemory,
  SpinLock,
  type UnlockToken,
} from 'pageframe'
import { expect, test } from 'vitest'
import { at, PAIRS, WORDS } from '../fixtures/soak-locks.mjs'
import { Actor, pause, within } from '../support.ts'
import { emptied } from './rest.ts'

const SECONDS = Number(process.env.PAGEFRAME_SOAK_SECONDS ?? 8)
const FIXTURE = new URL('../fixtures/soak-locks.mjs', import.meta.url).href
const WORKERS = 8
const PERMITS = 3
const KILL_EVERY_MS = 100
const LOOK_MS = 20
const SECTIONS_A_SECOND = 50_000_000 / 60
/** A machine that is busy with something else has fewer, and proves no less. */
const LEAST_SHARE = 0.2
const MOST_THREADS = 1024

test(
  'no lock lets two in, forgets a waiter or a death, while threads are killed',
  async () => {
    const memory = SharedMemory.default
    const region = memory.alloc(WORDS * 4)
    const counts = memory.alloc(MOST_THREADS * 8)
    const words = region.as(Int32Array)
    const sections = counts.as(Float64Array)
    const guard = new Mutex()
    const condition = new Condition()
    const semaphore = new Semaphore(PERMITS)
    const event = new ResetEvent({ autoReset: true })
    const locks = {
      mutex: new Mutex(),
      other: new Mutex({ type: 'errorCheck' }),
      recursive: new Mutex({ type: 'recursive' }),
      spin: new SpinLock(),
      rwlock: new RwLock(),
      guard,
    }
    const stage = { ...locks, condition, semaphore, event, region, counts }
    const problems: string[] = []
    let started = 0

    const start = async (): Promise<Actor> => {
      const actor = await Actor.start()
      const failures = actor.runWithin((SECONDS + 60) * 1000, takeTurns, FIXTURE, {
        ...stage,
        index: started++,
      })
      failures.then(
        (found) => problems.push(...found),
        (error: unknown) => {
          if (actor.exitCode === undefined && words[at.stop] === 0) problems.push(String(error))
        },
      )
      return actor
    }

    let actors = await Promise.all(Array.from({ length: WORKERS }, start))
    let deaths = 0
    const began = performance.now()
    const isOver = () => problems.length > 0 || performance.now() - began > SECONDS * 1000
    const mainTurns = (async () => {
      while (!isOver()) {
        await pause(LOOK_MS)
        // Permits of the dead are gone: that is what a semaphore is.
        if (semaphore.value === 0) semaphore.release(PERMITS)
        event.set()
        words[at.sets]++
        await guard.runAsync((held) => {
          if (held.ownerDied) repair(guard)
          words[at.tokens] += 2
          condition.notify(2)
        })
      }
    })().catch((error: unknown) => problems.push(`main: ${String(error)}`))

    while (!isOver()) {
      await pause(Math.random() * 2 * KILL_EVERY_MS)
      const victim = actors[Math.floor(Math.random() * actors.length)]
      await victim.end()
      deaths++
      actors = [...actors.filter((actor) => actor !== victim), await start()]
    }
    const seconds = (performance.now() - began) / 1000
    words[at.stop] = 1
    await within(mainTurns, 'the last turns')
    await Promise.all(actors.map((actor) => actor.end()))
    await emptied()

    expect(problems).toEqual([])
    expect(memory.check().problems).toEqual([])
    const whole = (pair: number, { ownerDied }: UnlockToken): void => {
      expect(ownerDied || words[2 * pair] === words[2 * pair + 1]).toBe(true)
    }
    for (const name of ['mutex', 'other', 'recursive', 'spin'] as const) {
      whole(PAIRS[name], locks[name].lock({ timeoutMs: 2000 }))
      if (locks[name] instanceof Mutex) consistent(locks[name])
      locks[name].unlock()
    }
    whole(PAIRS.rwlock, locks.rwlock.write.lock({ timeoutMs: 2000 }))
    expect(words[at.passes]).toBeLessThanOrEqual(words[at.sets])
    const total = sections.reduce((sum, each) => sum + each, 0)
    console.log(
      `soak of locks: ${total.toLocaleString('en')} sections in ${seconds.toFixed(0)} s, ${deaths} deaths, ` +
        `${words[at.notices]} notices, longest wait ${words[at.worstWaitMs]} ms`,
    )
    expect(total).toBeGreaterThan(LEAST_SHARE * SECTIONS_A_SECOND * seconds)
  },
  (SECONDS + 90) * 1000,
)

function repair(mutex: Mutex): void {
  mutex.markConsistent()
}

function consistent(mutex: Mutex): void {
  try {
    mutex.markConsistent()
  } catch {
    // Nobody died with it.
  }
}

/** What an actor runs. */
async function takeTurns(_: unknown, fixture: string, stage: unknown): Promise<string[]> {
  const { takeTurns: turns } = (await eval(`import(${JSON.stringify(fixture)})`)) as {
    takeTurns: (stage: unknown) => string[]
  }
  return turns(stage)
}
