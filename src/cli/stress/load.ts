/** What is loaded, how heavily, and what came of it. */

import { isProducer } from '../../../workers/stress/buffer.ts'
import type { PrimitiveName } from '../../../workers/stress/primitives.ts'

/** What the user asked for, apart from the primitives. */
export interface Options {
  readonly workers: number
  readonly seconds: number
  readonly holdNs: number
  readonly thinkNs: number
  readonly readRatio: number
  readonly killEveryMs: number | undefined
  readonly lock: OwnLock | undefined
  /** Also with fewer workers, for the picture. */
  readonly sweeps: boolean
}

/** The user's lock. */
export interface OwnLock {
  /** As the user named it. */
  readonly path: string
  readonly url: string
  readonly className: string
  readonly afterDeath: ((words: Int32Array<SharedArrayBuffer>, worker: number) => unknown) | undefined
}

/** One run: one primitive, so many workers, so long. */
export interface Load {
  readonly primitive: PrimitiveName
  readonly workers: number
  readonly seconds: number
  readonly holdNs: number
  readonly thinkNs: number
  readonly holdTurns: number
  readonly thinkTurns: number
  readonly readRatio: number
  /** One operation in so many is timed. */
  readonly timedEvery: number
  readonly killEveryMs: number | undefined
  readonly lock: OwnLock | undefined
}

export interface Outcome {
  readonly load: Load
  /** How long it was measured. */
  readonly seconds: number
  /** While it was measured, by place. */
  readonly perWorker: readonly number[]
  readonly operations: number
  readonly writes: number
  /** Buckets of waits in ns: of all, or of readers; and of writers. */
  readonly waits: readonly [Uint32Array, Uint32Array]
  readonly spins: number
  readonly parks: number
  readonly wakes: number
  readonly emptyRings: number
  readonly cpuMs: number
  readonly kills: Kills | undefined
  /** What was not as it must be; empty if all was well. */
  readonly violations: readonly string[]
  readonly violationCount: number
  /** What was looked at and found in order, in words. */
  readonly verified: string
  readonly wasInterrupted: boolean
}

export interface Kills {
  readonly count: number
  /** What the killed were about, by what their places said. */
  readonly holding: number
  /** Of those who held: who was on its way out, and who wrote where others only read. The others were inside. */
  readonly leaving: number
  readonly writing: number
  readonly waiting: number
  readonly elsewhere: number
  /** How often the next owner was told. */
  readonly notices: number
  /** How many died inside, and nobody came in after them to be told. */
  readonly untold: number
  /** How often it found something half done, and put it right. */
  readonly repairs: number
  /** Messages delivered again. */
  readonly redelivered: number
  /** Permits that the dead took with them, given back by us. */
  readonly permits: number
  /** The longest from a kill until the next owner was told of it. */
  readonly worstRecoveryMs: number
}

/** All runs of one primitive. */
export interface Result {
  readonly outcome: Outcome
  /** With fewer workers and, last, as many as were asked for; one if there was no sweep. */
  readonly sweep: readonly Outcome[]
  /** Why nobody was killed though that was asked for. */
  readonly whyNoKills: string | undefined
}

export function perSecond({ operations, seconds }: Outcome): number {
  return seconds === 0 ? 0 : operations / seconds
}

/** How much more the luckiest worker got done than the unluckiest that does the same; the worst of all kinds of work. */
export function fairness({ load, perWorker }: Outcome): number {
  const parts =
    load.primitive === 'condition'
      ? [true, false].map((puts) => perWorker.filter((_, index) => isProducer(index) === puts))
      : [perWorker]
  return Math.max(
    ...parts.map((part) => (Math.min(...part) === 0 ? Infinity : Math.max(...part) / Math.min(...part))),
  )
}
