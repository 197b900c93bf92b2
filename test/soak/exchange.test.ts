/**
 * Records under fire: plain workers and workers of a pool hand records to each other in place, hold locks meanwhile, and
 * are killed at random, both sides of every channel.
 *
 *   PAGEFRAME_SOAK_SECONDS   how long, 12 if not given; up to 20 more if by then too few have died (rest.ts)
 *
 * What must hold at any moment (judged in fixtures/soak-exchange.mjs)
 *   order       every committed record comes, once, in the order of its numbers; again only if a dead reader held it, and
 *               then it says `redelivered`
 *   wholeness   every record has the checksum that it was sent with
 *   notice      who gets a lock that died with its owner is told
 *   liveness    no wait lasts 2 s while the other side is there
 * and at rest, after each death: check() is clean, and every lock is there to be had, with notice if the dead tore what it
 * protects. At the end as many records were released as committed, and the memory is as full as before.
 */

import { Piscina } from 'piscina'
import { Channel, Mutex, SharedMemory } from 'pageframe'
import { afterEach, expect, test } from 'vitest'
import { Actor, eventually, pause, within } from '../support.ts'
import { emptied, isEnough, LEAST_DEATHS, problemsAtRest } from './rest.ts'

const SECONDS = Number(process.env.PAGEFRAME_SOAK_SECONDS ?? 12)
const FIXTURE = new URL('../fixtures/soak-exchange.mjs', import.meta.url).href
const MUTEXES = 3
/** Role 2c produces for channel c, role 2c + 1 consumes. */
const CHANNELS = [
  { capacity: 4096, producer: 'plain', consumer: 'plain' },
  { capacity: 16 * 1024, producer: 'plain', consumer: 'pool' },
  { capacity: 64 * 1024, producer: 'pool', consumer: 'plain' },
] as const
const HOSTS = CHANNELS.flatMap(({ producer, consumer }) => [producer, consumer])

/** Words of the region, and below those of a channel, from its base. */
const at = {
  STOP: 0,
  PAUSED: 1,
  NOTICES: 2,
  REDELIVERED: 3,
  /** Producers that died between commit() and the note of it. */
  SETTLED: 4,
  /** Rests so far. */
  RESTS: 5,
  LONGEST: 6,
  /** Each role's thread, its owners so far; two words behind each mutex. */
  SEATED: 8,
  LIVES: 16,
  PAIRS: 24,
  CHANNELS: 32,
  CHANNEL_WORDS: 16,

  DONE: 0,
  TRYING: 1,
  PLACE: 2,
  LENGTH: 3,
  EXPECTED: 4,
  SEEN: 5,
  RELEASING: 6,
  READING: 7,
  /** A double. */
  BYTES: 8,
} as const
const WORDS = at.CHANNELS + CHANNELS.length * at.CHANNEL_WORDS

interface Stage {
  readonly at: typeof at
  readonly seats: readonly Mutex[]
  readonly locks: readonly Mutex[]
  readonly channels: readonly Channel[]
  readonly largest: readonly number[]
  readonly region: ReturnType<typeof SharedMemory.default.alloc>
}

interface Verdict {
  readonly problems: readonly string[]
  readonly committed: readonly number[]
  readonly released: readonly number[]
  readonly bytes: number
  readonly deaths: number
  readonly redelivered: number
  readonly notices: number
  readonly settled: number
  readonly longestMs: number
}

const pools = new Set<Piscina>()
afterEach(async () => {
  const left = [...pools]
  pools.clear()
  await Promise.all(left.map((pool) => pool.destroy().catch(() => undefined)))
})

test(
  'every committed record arrives once, in order and whole, while producers and consumers die',
  async () => {
    const memory = SharedMemory.default
    const warmUp = await exchange(1.5)
    const { usedBytes } = memory

    const verdict = await exchange(SECONDS)

    expect(warmUp.problems).toEqual([])
    expect(verdict.problems).toEqual([])
    expect(verdict.released).toEqual(verdict.committed)
    for (const count of verdict.released) expect(count).toBeGreaterThan(100)
    expect(verdict.deaths).toBeGreaterThanOrEqual(LEAST_DEATHS)
    expect(verdict.notices).toBeGreaterThan(0)
    expect(memory.usedBytes).toBe(usedBytes)
    expect(memory.check().problems).toEqual([])
    console.log(
      `soak exchange: ${sumOf(verdict.released)} records, ${verdict.bytes} bytes, ${verdict.deaths} deaths, ` +
        `${verdict.redelivered} redelivered, ${verdict.notices} notices, ${verdict.settled} died at commit, ` +
        `longest wait ${verdict.longestMs} ms`,
    )
  },
  (SECONDS + 60) * 1000,
)

/** Everything from the making of channels and locks to their end. */
async function exchange(seconds: number): Promise<Verdict> {
  const memory = SharedMemory.default
  const stage: Stage = {
    at,
    seats: HOSTS.map(() => new Mutex()),
    locks: Array.from({ length: MUTEXES }, () => new Mutex()),
    channels: CHANNELS.map(({ capacity }) => new Channel({ capacity, from: 'one', to: 'one' })),
    largest: CHANNELS.map(({ capacity }) => capacity / 2 - 8),
    region: memory.alloc(WORDS * 4),
  }
  const words = stage.region.as(Int32Array)
  const sums = stage.region.as(Float64Array)
  const problems: string[] = []
  const pool = new Piscina({ filename: FIXTURE, minThreads: 2, maxThreads: 2 })
  pool.on('error', () => undefined)
  pools.add(pool)
  const actors = new Map<number, Actor>()
  let deaths = 0

  /** One role, from owner to owner, until one ends by itself and there is nothing left to do. */
  const plainRole = async (role: number): Promise<void> => {
    while (problems.length === 0) {
      const actor = await Actor.start()
      actors.set(role, actor)
      const outcome = actor.runWithin(
        (seconds + 30) * 1000,
        async (_, module, stage, role) => {
          const { turns } = (await eval(`import(${JSON.stringify(module)})`)) as {
            turns: (stage: unknown, role: number) => Promise<string[]>
          }
          return turns(stage, role)
        },
        FIXTURE,
        stage,
        role,
      )
      const died = new Promise<undefined>((resolve) =>
        actor.worker.once('exit', () => {
          resolve(undefined)
        }),
      )
      const found = await Promise.race([outcome, died])
      outcome.catch(() => undefined)
      if (found === undefined) continue
      problems.push(...found)
      await actor.end()
      return
    }
  }
  const poolRole = async (role: number): Promise<void> => {
    const channel = stage.channels[role >> 1]
    const base = at.CHANNELS + (role >> 1) * at.CHANNEL_WORDS
    const isDone = () =>
      role % 2 === 0
        ? words[base + at.TRYING] <= words[base + at.DONE]
        : channel.closed && channel.length === 0
    while (problems.length === 0 && pools.has(pool)) {
      const mayBeLast = words[at.STOP] === 1
      const found = (await pool.run({ stage, role, forMs: 400 }).catch(() => undefined)) as
        string[] | undefined
      problems.push(...(found ?? []))
      if (found !== undefined && mayBeLast && isDone()) return
    }
  }
  const runRole = (role: number) =>
    (HOSTS[role] === 'plain' ? plainRole(role) : poolRole(role)).catch((error: unknown) =>
      problems.push(`role ${role}: ${String(error)}`),
    )

  const isProducer = (_: unknown, role: number) => role % 2 === 0
  const ended = HOSTS.map((_, role) => runRole(role))
  await eventually(() => HOSTS.every((_, role) => words[at.LIVES + role] > 0), 'all the threads').catch(
    (error: unknown) => problems.push(String(error)),
  )
  const began = performance.now()
  while (problems.length === 0 && !isEnough(began, seconds, deaths, words[at.NOTICES])) {
    await pause(Math.random() * 120)
    const role = Math.floor(Math.random() * HOSTS.length)
    const dead = words[at.SEATED + role]
    const victim =
      HOSTS[role] === 'plain' ? actors.get(role)?.worker : pool.threads.find((each) => each.threadId === dead)
    if (dead === 0 || victim?.threadId !== dead) continue
    await victim.terminate()
    deaths++
    await rest(stage, words, dead, problems)
  }

  Atomics.store(words, at.STOP, 1)
  const until = (what: string, roles: Promise<unknown>[]) =>
    within(Promise.all(roles), what).catch((error: unknown) => problems.push(String(error)))
  await until('the producers', ended.filter(isProducer))
  for (const channel of stage.channels) channel.close()
  await until('the consumers', ended)
  for (const [c, { length }] of stage.channels.entries()) {
    if (length > 0) problems.push(`channel ${c}: ${length} records were never taken`)
  }
  await Promise.all([...actors.values()].map((actor) => actor.end()))
  pools.delete(pool)
  await pool.destroy()

  for (const [role, seat] of stage.seats.entries()) {
    const { ownerDied } = seat.lock({ timeoutMs: 2000 })
    if (ownerDied) seat.markConsistent()
    else if (words[at.SEATED + role] !== 0) problems.push(`seat ${role}: its owner died, and no notice`)
    seat.unlock()
  }
  visitLocks(stage, words, problems)
  await emptied().catch((error: unknown) => problems.push(String(error)))
  problems.push(...memory.check().problems)
  const ofChannels = (word: number) =>
    CHANNELS.map((_, c) => words[at.CHANNELS + c * at.CHANNEL_WORDS + word])
  const verdict = {
    problems,
    committed: ofChannels(at.DONE),
    // A last consumer that died at dispose() may have had no time to note it: the channel is drained, so it was released.
    released: ofChannels(at.EXPECTED).map((count, c) => Math.max(count, ofChannels(at.RELEASING)[c])),
    bytes: sumOf(CHANNELS.map((_, c) => sums[(at.CHANNELS + c * at.CHANNEL_WORDS + at.BYTES) / 2])),
    deaths,
    redelivered: words[at.REDELIVERED],
    notices: words[at.NOTICES],
    settled: words[at.SETTLED],
    longestMs: words[at.LONGEST],
  }
  for (const each of [...stage.seats, ...stage.locks, ...stage.channels, stage.region]) each.destroy()
  return verdict
}

/** The memory at rest, and then each lock: it can be had, and what it protects is whole or its owner died. */
async function rest(stage: Stage, words: Int32Array, dead: number, problems: string[]): Promise<void> {
  Atomics.add(words, at.RESTS, 1)
  problems.push(...(await problemsAtRest(words, at.PAUSED, dead)))
  visitLocks(stage, words, problems)
  Atomics.add(words, at.RESTS, 1)
}

function visitLocks({ locks }: Stage, words: Int32Array, problems: string[]): void {
  for (const [i, lock] of locks.entries()) {
    const [a, b] = [at.PAIRS + 2 * i, at.PAIRS + 2 * i + 1]
    const { ownerDied } = lock.lock({ timeoutMs: 2000 })
    if (ownerDied) {
      Atomics.add(words, at.NOTICES, 1)
      words[b] = words[a]
      lock.markConsistent()
    } else if (words[a] !== words[b]) problems.push(`mutex ${i}: ${words[a]} and ${words[b]}, and no notice`)
    lock.unlock()
  }
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0)
}
