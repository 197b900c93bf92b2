/** Figures of a run: what its board and the threads' counters say at one moment, and what happened between two. */

import { now } from '../../host/clock.ts'
import { cpuMs } from '../../host/process.ts'
import { defaultAttachment } from '../../memory/inventory.ts'
import { EMPTY_RINGS, PARKS, SPINS, sumCounters, WAKES } from '../../threads/counters.ts'
import { bucketCount } from '../../words/histogram.ts'
import {
  INSIDE,
  LEAVING,
  SUB_BITS,
  WAITING,
  WRITING,
  type Board,
  type Place,
} from '../../../workers/stress/board.ts'
import type { Kills, Outcome } from './load.ts'

export interface Sample {
  readonly at: number
  readonly operations: readonly number[]
  readonly writes: number
  readonly waits: readonly [Uint32Array, Uint32Array]
  readonly counters: Float64Array
  readonly cpuMs: number
}

export function sample({ places }: Board): Sample {
  const { buffer, map } = defaultAttachment()
  return {
    at: now(),
    operations: places.map(({ operations }) => operations),
    writes: sumOf(places, 'writes'),
    waits: [merged(places, 0), merged(places, 1)],
    counters: sumCounters(buffer, map.slotsAt, map.frames.slotCount),
    cpuMs: cpuMs(),
  }
}

function merged(places: readonly Place[], which: number): Uint32Array {
  const sum = new Uint32Array(bucketCount(SUB_BITS))
  for (const place of places) place.histogram(which).forEach((count, bucket) => (sum[bucket] += count))
  return sum
}

/** What was measured: the part of an outcome that is figures. */
type Measured = Pick<
  Outcome,
  | 'seconds' | 'perWorker' | 'operations' | 'writes' | 'waits' | 'spins' | 'parks' | 'wakes' | 'emptyRings' | 'cpuMs'
> // prettier-ignore

export function between(first: Sample, last: Sample): Measured {
  const perWorker = last.operations.map((count, index) => count - first.operations[index])
  const waits = (which: 0 | 1) => last.waits[which].map((count, bucket) => count - first.waits[which][bucket])
  const counted = (counter: number) => last.counters[counter] - first.counters[counter]
  return {
    seconds: (last.at - first.at) / 1000,
    perWorker,
    operations: perWorker.reduce((sum, count) => sum + count, 0),
    writes: last.writes - first.writes,
    waits: [waits(0), waits(1)],
    spins: counted(SPINS),
    parks: counted(PARKS),
    wakes: counted(WAKES),
    emptyRings: counted(EMPTY_RINGS),
    cpuMs: last.cpuMs - first.cpuMs,
  }
}

/** States of somebody who had it, or nearly so. */
const HOLDING = new Set<number>([INSIDE, LEAVING, WRITING])

/** `deaths`: what the killed were about. */
export function killsOf(
  deaths: readonly number[],
  places: readonly Place[],
  permits: number,
  untold: number,
): Kills {
  const count = (wanted: number) => deaths.filter((state) => state === wanted).length
  const holding = deaths.filter((state) => HOLDING.has(state)).length
  const waiting = count(WAITING)
  return {
    count: deaths.length,
    holding,
    leaving: count(LEAVING),
    writing: count(WRITING),
    waiting,
    elsewhere: deaths.length - holding - waiting,
    notices: sumOf(places, 'notices'),
    untold,
    repairs: sumOf(places, 'repairs'),
    redelivered: sumOf(places, 'redelivered'),
    permits,
    worstRecoveryMs: Math.max(...places.map(({ recoveryMs }) => recoveryMs)),
  }
}

type Summable = 'operations' | 'writes' | 'notices' | 'repairs' | 'redelivered' | 'violations'

export function sumOf(places: readonly Place[], figure: Summable): number {
  return places.reduce((sum, place) => sum + place[figure], 0)
}
