/** What the main thread and a worker of a load test say to each other. */

import type { Fault } from './faults.ts'
import type { PrimitiveName } from './primitives.ts'

export interface StressData {
  readonly primitive: PrimitiveName
  /** Handles: the board's Region, and what is tested. */
  readonly board: unknown
  readonly things: Things
  readonly workers: number
  readonly buckets: number
  readonly holdTurns: number
  readonly thinkTurns: number
  readonly readRatio: number
  /** One operation in so many is timed. */
  readonly timedEvery: number
  readonly kills: boolean
  /** What is wrong with the primitive, for a test of this test. */
  readonly fault: Fault | undefined
}

/** What is tested, as handles. */
export interface Things {
  readonly mutex?: unknown
  readonly semaphore?: unknown
  readonly rwlock?: unknown
  readonly spin?: unknown
  readonly barrier?: unknown
  /** Not empty, not full. */
  readonly conditions?: readonly [unknown, unknown]
  readonly channels?: readonly unknown[]
  /** The user's: the URL of its module, and its words. */
  readonly own?: { readonly url: string; readonly words: Int32Array<SharedArrayBuffer> }
}

/** The place that a worker is to take. */
export interface Order {
  readonly place: number
}

/** The first thing a worker says; then violations as they happen, and at last that its place is free. */
export type Report = 'ready' | { readonly violation: string } | { readonly left: number }
