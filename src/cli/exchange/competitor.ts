/** A competitor: one transport with the threads that it ties together, from before the first round until after the last. */

import type { Transport } from '../../../workers/exchange/duty.ts'
import type { Result } from '../../../workers/exchange/tally.ts'
import type { Input } from './input.ts'

export interface CompetitorOptions {
  readonly input: Input
  readonly consumers: number
  readonly blockBytes: number
}

export interface Competitor {
  readonly transport: Transport
  /** How much of the input is sent in this round, from 0 to 1. */
  readonly fraction: number
  /** Resolves when all of it is there. Rejects, as round() does, when a part of it dies. */
  ready(): Promise<void>
  round(): Promise<Round>
  /** Ends all of it, whatever it does. */
  end(): Promise<void>
}

/** One round as it was. */
export interface Round {
  readonly seconds: number
  readonly messages: number
  /** Ascending. */
  readonly latenciesMs: Float64Array
  readonly copiedBytes: number
  readonly cpuMs: number
  readonly result: Result
}

const BLOCKS_IN_CHANNEL = 4

/** What a record has besides its block: the envelope, and the ring's own header. */
const OVERHEAD_BYTES = 16 + 8

/** The size of each channel: a power of two, four blocks or more. */
export function capacityFor(blockBytes: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(4096, BLOCKS_IN_CHANNEL * blockBytes)))
}

/** Blocks that may be with one consumer, in every transport: as many as the channel has room for, wherever its lap ends. */
export function windowFor(blockBytes: number): number {
  return Math.floor(capacityFor(blockBytes) / (blockBytes + OVERHEAD_BYTES))
}

/** All latencies of a round, ascending. */
export function ascending(parts: readonly Float64Array[]): Float64Array {
  return Float64Array.from(parts.flatMap((part) => [...part])).sort()
}
