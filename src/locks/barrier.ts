/**
 * Barrier: threads that wait for each other, phase after phase.
 *
 *   arrive()  ── not the last ──► waits ── the last one arrives ──► false
 *             ── the last ─────► true: one in each phase, which may do what is to be done once
 *             ── a member died ──► EOWNERDEAD, for all, until reset()
 *
 * The algorithm is sync/barrier.ts; members and deaths, barrier-kind.ts.
 *
 * See: pthread_barrier_wait(3). Differences: it breaks when a thread dies that takes part; an arrival whose time is up is
 * taken back; threads may arrive asynchronously, and each asynchronous arrival counts as one.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncSteps } from '../memory/async-waits.ts'
import { Found, registerKind, type Place } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open, staleError } from '../memory/open.ts'
import {
  abandonArrive,
  Arrival,
  arrivedIn,
  beginArrive,
  BROKEN,
  enter,
  onBellArrive,
  outcomeOf,
  RawBarrier,
  resultOf,
  SERIAL,
  sleepForPhase,
  spinForPhase,
  WAITERS,
} from '../sync/barrier.ts'
import { isBroken, join, mend } from '../sync/barrier-members.ts'
import { BUSY } from '../sync/wait.ts'
import { ABORTED } from '../sync/wait-record.ts'
import { ECANCELED, EOWNERDEAD, ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { asyncWaitOf, assertOptions, present, timeoutOf } from '../words/usage.ts'
import { barrierKind, BarrierObject, type BarrierOptions } from './barrier-kind.ts'
import { noRecord } from './explain.ts'
import type { AsyncWait, Wait } from './lockable.ts'

const { raw, members, dead } = BarrierObject

const FLAGS = BROKEN | WAITERS

/**
 * A number of parties that wait for each other, again and again.
 *
 * @example
 *   const step = Barrier.open('step', 4)   // in each of 4 workers
 *   for (const generation of generations) {
 *     compute(generation)
 *     if (step.arrive()) report(generation) // one of the four
 *   }
 */
export class Barrier extends SharedObject {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #context = this.attachment
  readonly #word = this.at + raw
  readonly #statusAt = this.at + BarrierObject.status
  readonly #live = -this.generation
  readonly #cpu = this.#context.cpu
  readonly #lot = this.#context.lot
  readonly #parties = this.#cpu.load(this.#word + RawBarrier.parties)
  #isMember = false
  /** The word as this thread saw it last: what it probably still is. */
  #guess = 0

  /** `parties`: how many have to arrive, 1 to 65535. */
  constructor(parties: number | Found, options: Place = {}) {
    super(BARRIER, parties instanceof Found ? parties : withParties('new Barrier()', parties, options))
  }

  /** Attaches to the barrier of that name, or creates it. EEXIST if it is for another number of parties. */
  static open(name: string, parties: number, options: Omit<Place, 'name'> = {}): Barrier {
    return open(BARRIER, name, withParties('Barrier.open()', parties, options))
  }

  /** The barrier of a handle that arrived in a message. */
  static from(handle: unknown): Barrier {
    return from(BARRIER, handle)
  }

  /**
   * Arrives, and blocks this thread until all parties have. True for one of them in each phase: the last. With its first
   * arrival a thread becomes a member: if it dies, the barrier breaks for the others.
   *
   * Throws ErrnoError: ETIMEDOUT (this arrival does not count); EOWNERDEAD (a member died; see reset()); ESTALE (destroyed).
   */
  arrive(wait?: Wait): boolean {
    if (this.#cpu.plainLoad(this.#statusAt) !== this.#live) this.assertLive('arrive')
    const timeoutMs = wait === undefined ? Infinity : timeoutOf('Barrier.arrive()', wait)
    if (!this.#isMember) this.#join('arrive')
    const word = enter(this.#lot, this.#word, this.#parties, this.#guess)
    let result = resultOf(word, this.#parties)
    if (result === BUSY) {
      const seen = spinForPhase(this.#lot, this.#word, word)
      this.#guess = seen & ~FLAGS
      result = outcomeOf(this.#lot, this.#word, word, seen)
      if (result === BUSY) result = this.#sleep(word, timeoutMs)
      // A word that was cleared looks like a phase that is over. (Whoever was the last may destroy the barrier at once.)
      if (seen === 0 && !this.isLive) result = -ESTALE
    } else {
      this.#guess = word & ~FLAGS
    }
    return result >= 0 ? result === SERIAL : this.#fail('arrive', result, timeoutMs)
  }

  /**
   * Arrives without blocking the thread; the promise settles when all parties have. Each call is one arrival: one thread
   * may be several parties. Aborted before the phase is over, it does not count.
   */
  async arriveAsync(wait: AsyncWait = {}): Promise<boolean> {
    this.assertLive('arriveAsync')
    const options = asyncWaitOf('Barrier.arriveAsync()', wait)
    const { timeoutMs, signal } = options
    const result = await this.#context.waits.wait(this.#steps(), timeoutMs, options, this.guard)
    if (result >= 0) return result === SERIAL
    if (result === -ECANCELED) throw signal?.reason
    return this.#fail('arriveAsync', result, timeoutMs)
  }

  /** How many have to arrive. */
  get parties(): number {
    this.assertLive('parties')
    return this.#parties
  }

  /** How many have arrived and wait; it may have changed by the time you look. */
  get arrived(): number {
    this.assertLive('arrived')
    return arrivedIn(this.#lot, this.#word)
  }

  /** A member died: nobody passes until reset(). */
  get broken(): boolean {
    this.assertLive('broken')
    return isBroken(this.#lot, this.#word)
  }

  /**
   * Begins a new phase of a broken barrier: everybody arrives anew, and another thread takes the place of the dead. Call it
   * when what the dead did is repaired. If it is not broken, nothing happens.
   */
  reset(): void {
    this.assertLive('reset')
    mend(this.#lot, this.#word)
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #join(verb: string): void {
    this.#context.assertSound()
    join(this.#lot, this.at + members)
    this.#isMember = true
    this.assertLive(verb)
  }

  #sleep(word: number, timeoutMs: number): number {
    return this.#context.waiting(
      () => `${this.label}: ${this.#whoArrived(0)}`,
      () => sleepForPhase(this.#lot, this.#word, word, deadlineAfter(timeoutMs)),
      this.guard,
    )
  }

  #steps(): AsyncSteps {
    const [lot, at] = [this.#lot, this.#word]
    const arrival = new Arrival(0)
    return {
      begin: (record) => {
        if (!this.#isMember) this.#join('arriveAsync')
        return beginArrive(lot, at, arrival, record)
      },
      onBell: (record) => onBellArrive(lot, at, arrival, record),
      leave: (record, outcome) => {
        const result = abandonArrive(lot, at, arrival, record, outcome)
        return result === -ETIMEDOUT && outcome === ABORTED ? -ECANCELED : result
      },
      abandon: (record, outcome) => {
        abandonArrive(lot, at, arrival, record, outcome)
      },
    }
  }

  #whoArrived(more: number): string {
    return `${arrivedIn(this.#lot, this.#word) + more} of ${this.#parties} have arrived`
  }

  #fail(verb: string, errno: number, timeoutMs: number): never {
    if (errno === -ESTALE) throw staleError('Barrier', verb)
    if (errno === -ETIMEDOUT) {
      throw new ErrnoError(errno, verb, `${this.label}: only ${this.#whoArrived(1)} in ${timeoutMs} ms`)
    }
    if (errno === -EOWNERDEAD) {
      const who = `thread ${this.#cpu.plainLoad(this.at + dead)}`
      throw new ErrnoError(
        errno,
        verb,
        `${this.label} is broken: ${who}, which took part, died; reset() mends it`,
      )
    }
    throw new ErrnoError(errno, verb, `${this.label}: ${noRecord(this.#context)}`)
  }
}

function withParties(call: string, parties: number, options: Place): BarrierOptions {
  assertOptions(call, options)
  const { memory, name } = options
  return present<BarrierOptions>({ memory, name, parties })
}

const BARRIER = barrierKind((found) => new Barrier(found))

registerKind('Barrier', (value) => Barrier.from(value), BARRIER)
