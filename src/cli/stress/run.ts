/**
 * A run: one primitive under one load, from the first worker to the last.
 *
 *   hire ─► warm up ─► measure (and kill) ─► stop: everybody comes out ─► audit ─► workers end
 *              │            │                          │
 *              └────────────┴── a violation, a worker that fails or gets no further, Ctrl-C: stop at once
 */

import { now } from '../../host/clock.ts'
import { Region } from '../../memory/region.ts'
import { bucketCount } from '../../words/histogram.ts'
import { Board, boardBytes, MEASURE, PAUSE, STOP, SUB_BITS, WARM } from '../../../workers/stress/board.ts'
import type { Fault } from '../../../workers/stress/faults.ts'
import { describeThrown } from '../../../workers/stress/thrown.ts'
import type { StressData } from '../../../workers/stress/orders.ts'
import { entryOf } from './catalogue.ts'
import type { Exhibit } from './entry.ts'
import { Crew } from './crew.ts'
import { between, killsOf, sample, sumOf, type Sample } from './figures.ts'
import type { Kills, Load, Outcome } from './load.ts'
import { StuckWatch } from './stuck.ts'

/** Until then V8 has compiled what runs. */
const WARM_MS = 300
const LOOK_EVERY_MS = 20
const MOST_TOLD = 10

/** What a run tells while it goes on. */
export interface Moment {
  readonly phase: 'starting' | 'warm-up' | 'measuring' | 'stopping'
  readonly secondsDone: number
  readonly perSecond: number
  readonly kills: number
}

export class Run {
  readonly #load: Load
  readonly #board: Board
  readonly #region: Region
  readonly #exhibit: Exhibit
  readonly #crew: Crew
  readonly #stuck: StuckWatch
  readonly #violations: string[] = []
  #violationCount = 0
  readonly #deaths: number[] = []
  #stopNow: () => void = () => undefined
  readonly #stopped = new Promise<void>((resolve) => (this.#stopNow = resolve))
  #mustStop = false
  #phase: Moment['phase'] = 'starting'
  #first: Sample | undefined
  #rate = { at: now(), operations: 0, perSecond: 0 }

  constructor(load: Load, fault: Fault | undefined) {
    this.#load = load
    const entry = entryOf(load.primitive)
    const buckets = bucketCount(SUB_BITS)
    this.#region = new Region({ size: boardBytes(load.workers, buckets) })
    this.#board = new Board(this.#region.bytes, load.workers, buckets)
    this.#exhibit = entry.open({ load, board: this.#board, atRest: (work) => this.#atRest(work) })
    const data: StressData = {
      primitive: load.primitive,
      board: this.#region,
      things: this.#exhibit.things,
      workers: load.workers,
      buckets,
      holdTurns: load.holdTurns,
      thinkTurns: load.thinkTurns,
      readRatio: load.readRatio,
      timedEvery: load.timedEvery,
      kills: load.killEveryMs !== undefined,
      fault,
    }
    this.#crew = new Crew(this.#board, data, (what) => {
      this.#violation(what)
    })
    this.#stuck = new StuckWatch(this.#board, load, entry.isFair, fault !== undefined)
  }

  /** Does it all; whatever happens, no worker is left. `signal` aborted: what was measured until then. */
  async go(signal: AbortSignal): Promise<Outcome> {
    const onAbort = () => {
      this.#mustStop = true
      this.#stopNow()
    }
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    try {
      await Promise.race([this.#crew.ready(), this.#stopped])
      const [first, last] = await this.#measure()
      const cameOut = await this.#stop()
      const { problems, verified } = cameOut ? this.#exhibit.audit(this.#deaths) : NOT_AUDITED
      for (const problem of problems) this.#violation(problem)
      return {
        ...between(first, last),
        load: this.#load,
        kills: this.#load.killEveryMs === undefined ? undefined : this.#kills(),
        violations: this.#violations,
        violationCount: Math.max(this.#violationCount, sumOf(this.#board.places, 'violations')),
        verified: problems.length === 0 ? verified : '',
        wasInterrupted: signal.aborted,
      }
    } finally {
      signal.removeEventListener('abort', onAbort)
      await this.#crew.end()
      this.#exhibit.close()
      this.#region.destroy()
    }
  }

  /** How it stands, for a progress line. */
  get moment(): Moment {
    const { load, seconds, operations } = this.#progress()
    const at = now()
    if (at - this.#rate.at >= 250) {
      const perSecond = ((operations - this.#rate.operations) / (at - this.#rate.at)) * 1000
      this.#rate = { at, operations, perSecond }
    }
    return {
      phase: this.#phase,
      secondsDone: Math.min(seconds, load.seconds),
      perSecond: this.#rate.perSecond,
      kills: this.#deaths.length,
    }
  }

  #progress() {
    const operations = sumOf(this.#board.places, 'operations')
    const seconds = this.#first === undefined ? 0 : (now() - this.#first.at) / 1000
    return { load: this.#load, seconds, operations }
  }

  #kills(): Kills {
    const { permits = 0, untold = 0 } = this.#exhibit
    return killsOf(this.#deaths, this.#board.places, permits, untold)
  }

  async #measure(): Promise<[Sample, Sample]> {
    const { seconds, killEveryMs } = this.#load
    this.#phase = 'warm-up'
    this.#board.phase = WARM
    if (!this.#mustStop) this.#crew.begin()
    await this.#look(WARM_MS)
    const first = sample(this.#board)
    this.#first = first
    this.#phase = 'measuring'
    this.#board.phase = MEASURE
    const killing =
      killEveryMs === undefined ? undefined : this.#killEvery(killEveryMs, first.at + seconds * 1000)
    await this.#look(first.at + seconds * 1000 - now())
    const last = sample(this.#board)
    await killing
    return [first, last]
  }

  /** Comes out: true if everybody did. */
  async #stop(): Promise<boolean> {
    this.#phase = 'stopping'
    this.#board.phase = STOP
    const deadline = now() + this.#stuck.afterMs
    while (this.#crew.unfinished.length > 0) {
      if (now() > deadline) {
        for (const place of this.#crew.unfinished) {
          // Another violation may have been why.
          if (this.#violationCount === 0)
            this.#violation(
              `worker ${place + 1} did not come out ${this.#stuck.since(place, this.#stuck.afterMs)}`,
            )
        }
        return false
      }
      this.#exhibit.letOut?.()
      await sleep(1)
      if (this.#violationCount > 0 && now() > deadline - this.#stuck.afterMs + 500) return false
    }
    return this.#violationCount === 0
  }

  /** Waits, and looks whether everybody gets on. */
  async #look(ms: number): Promise<void> {
    const until = now() + ms
    while (!this.#mustStop && now() < until) {
      await Promise.race([sleep(Math.min(LOOK_EVERY_MS, Math.max(0, until - now()))), this.#stopped])
      for (const stuck of this.#stuck.look()) this.#violation(stuck)
    }
  }

  #violation(what: string): void {
    this.#violationCount++
    if (this.#violations.length < MOST_TOLD && !this.#violations.includes(what)) this.#violations.push(what)
    this.#mustStop = true
    this.#stopNow()
  }

  // ── killing ───────────────────────────────────────────────────────────────────────────────────────────────────────

  async #killEvery(ms: number, until: number): Promise<void> {
    const isOver = () => this.#mustStop || now() >= until
    for (let next = now() + ms; ; next = Math.max(next + ms, now())) {
      await Promise.race([sleep(Math.max(0, next - now())), this.#stopped])
      if (isOver()) return
      const state = await this.#crew.kill(async (place, died) => this.#afterDeath(place, died))
      if (state !== undefined) this.#deaths.push(state)
    }
  }

  /** What fails here is for the report: nobody waits for this before the time is up. */
  async #afterDeath(place: number, died: number): Promise<void> {
    try {
      await this.#exhibit.afterDeath?.(place, died)
    } catch (error) {
      this.#violation(describeThrown(error))
    }
  }

  /** Everybody who lives comes out and pauses; then work, then on. */
  async #atRest(work: () => void): Promise<void> {
    const before = this.#board.phase
    const pause = PAUSE + this.#deaths.length
    this.#board.phase = pause
    const deadline = now() + this.#stuck.afterMs
    const isMoving = () => this.#crew.unfinished.some((place) => this.#board.places[place].pausedIn !== pause)
    while (isMoving() && !this.#mustStop && now() < deadline) await sleep(0.2)
    if (!isMoving()) work()
    this.#board.phase = before
  }
}

const NOT_AUDITED = { problems: [], verified: '' }

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
