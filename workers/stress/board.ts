/**
 * The board: what the threads of a load test share besides the primitive that they test.
 *
 *   words    0         32              32 + ARENA            one for each worker
 *          ┌─────────┬───────────────┬────────────────────┬────────────────────┬ ─ ─
 *          │ control │ arena         │ place 1            │ place 2            │
 *          └─────────┴───────────────┴────────────────────┴────────────────────┴ ─ ─
 *
 *   control   phase, which only the main thread writes; when it last killed somebody, and how many it has killed; how often
 *             a worker was told of a death
 *   arena     what the primitive protects: its test knows what lies there, and finds out if the primitive does not
 *   place     what one worker has done: state, counters, and two histograms of how long it waited. Written by the worker that
 *             has the place, and by nobody while there is none. It outlives him, so that a death loses no figures.
 *
 * Plain accesses: the figures are read at rest, or for a progress line that need not be exact.
 */

// ── control, in words ───────────────────────────────────────────────────────────────────────────────────────────────

const PHASE = 0
const KILLS = 4
const TOLD = 5

/** The phases. Workers look at each turn. */
export const WARM = 1
export const MEASURE = 2
/** From here on nobody begins anything. */
export const STOP = 3
/** As STOP, but it goes on later. From here on pauses are numbered, so that nobody takes one for the one before. */
export const PAUSE = 4

/** In float64. */
const KILLED_AT = 1

// ── arena ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const ARENA_AT = 32
const ARENA_WORDS = 4096

// ── place ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const PLACES_AT = ARENA_AT + ARENA_WORDS
/** Relative error of a latency: 1 / 32. */
export const SUB_BITS = 5

const FIGURES_WORDS = 64

/** What a worker is about. Where it died says what its death may have left. */
export const ABSENT = 0
export const OUTSIDE = 1
export const WAITING = 2
export const INSIDE = 3
export const LEAVING = 4
export const PAUSED = 5
export const GONE = 6
/** Inside, alone, and about to change something, where others may be inside together. */
export const WRITING = 7

export const STATES = [
  'absent',
  'outside',
  'waiting',
  'inside',
  'leaving',
  'paused',
  'gone',
  'writing',
] as const

/** Figures of a place, in words. */
const STATE = 0
const VIOLATIONS = 1
const NOTICES = 2
const REPAIRS = 3
const REDELIVERED = 4
const PAUSED_IN = 5
const DEATHS = 6

/** And in float64. */
const OPERATIONS = 4
const WRITES = 5
const RECOVERY_MS = 6
const NEXT = 7

const HISTOGRAMS = 2

/** Bytes of the board of so many workers. */
export function boardBytes(workers: number, buckets: number): number {
  return (PLACES_AT + workers * placeWords(buckets)) * 4
}

function placeWords(buckets: number): number {
  return FIGURES_WORDS + HISTOGRAMS * Math.ceil(buckets / 32) * 32
}

export class Board {
  readonly words: Int32Array<SharedArrayBuffer>
  readonly floats: Float64Array<SharedArrayBuffer>
  /** Word index in the whole memory, for instructions: of the board, and of its arena. */
  readonly at: number
  readonly arenaAt: number
  readonly phaseAt: number
  readonly killsAt: number
  readonly toldAt: number
  readonly places: readonly Place[]

  /** `bytes`: a Region's, zeroes; `buckets`: of each histogram. */
  constructor(bytes: Uint8Array<SharedArrayBuffer>, workers: number, buckets: number) {
    const { buffer, byteOffset } = bytes
    const length = boardBytes(workers, buckets) / 4
    this.words = new Int32Array(buffer, byteOffset, length)
    this.floats = new Float64Array(buffer, byteOffset, length >>> 1)
    this.at = byteOffset / 4
    this.arenaAt = this.at + ARENA_AT
    this.phaseAt = this.at + PHASE
    this.killsAt = this.at + KILLS
    this.toldAt = this.at + TOLD
    const placeAt = (index: number) => PLACES_AT + index * placeWords(buckets)
    this.places = Array.from(
      { length: workers },
      (_, index) => new Place(this, index, placeAt(index), buckets),
    )
  }

  get phase(): number {
    return this.words[PHASE]
  }

  set phase(phase: number) {
    this.words[PHASE] = phase
  }

  /** On the clock that all threads share, in milliseconds. */
  get killedAt(): number {
    return this.floats[KILLED_AT]
  }

  set killedAt(ms: number) {
    this.floats[KILLED_AT] = ms
  }

  /** How many have been killed, or are about to be. */
  get kills(): number {
    return this.words[KILLS]
  }

  set kills(count: number) {
    this.words[KILLS] = count
  }

  /** A word of the arena, by its number. */
  arena(word: number): number {
    return this.words[ARENA_AT + word]
  }

  setArena(word: number, value: number): void {
    this.words[ARENA_AT + word] = value
  }

  /** A float64 of the arena, by its number; it lies over words 2 * number and 2 * number + 1. */
  arenaFloat(number: number): number {
    return this.floats[ARENA_AT / 2 + number]
  }

  setArenaFloat(number: number, value: number): void {
    this.floats[ARENA_AT / 2 + number] = value
  }
}

/** What one worker has done, and all who had its place before. */
export class Place {
  readonly index: number
  /** What lock words call it: from 1 on. */
  readonly number: number
  readonly #words: Int32Array<SharedArrayBuffer>
  readonly #floats: Float64Array<SharedArrayBuffer>
  readonly #at: number
  readonly #floatsAt: number
  readonly #buckets: number

  constructor(board: Board, index: number, at: number, buckets: number) {
    this.index = index
    this.number = index + 1
    this.#words = board.words
    this.#floats = board.floats
    this.#at = at
    this.#floatsAt = at / 2
    this.#buckets = buckets
  }

  get state(): number {
    return this.#words[this.#at + STATE]
  }

  set state(state: number) {
    this.#words[this.#at + STATE] = state
  }

  get violations(): number {
    return this.#words[this.#at + VIOLATIONS]
  }

  set violations(count: number) {
    this.#words[this.#at + VIOLATIONS] = count
  }

  /** How often it was told that the last owner had died. */
  get notices(): number {
    return this.#words[this.#at + NOTICES]
  }

  set notices(count: number) {
    this.#words[this.#at + NOTICES] = count
  }

  /** How often what the dead left was half done, and was put right. */
  get repairs(): number {
    return this.#words[this.#at + REPAIRS]
  }

  set repairs(count: number) {
    this.#words[this.#at + REPAIRS] = count
  }

  /** The number of what it does next: what that is, its drill knows. */
  get next(): number {
    return this.#floats[this.#floatsAt + NEXT]
  }

  set next(number: number) {
    this.#floats[this.#floatsAt + NEXT] = number
  }

  /** Messages that it got a second time, since the one who had them first died. */
  get redelivered(): number {
    return this.#words[this.#at + REDELIVERED]
  }

  set redelivered(count: number) {
    this.#words[this.#at + REDELIVERED] = count
  }

  /** The last pause that it has come to, by its phase. */
  get pausedIn(): number {
    return this.#words[this.#at + PAUSED_IN]
  }

  set pausedIn(phase: number) {
    this.#words[this.#at + PAUSED_IN] = phase
  }

  /** How many have died there. Written by the main thread before it fills the place again. */
  get deaths(): number {
    return this.#words[this.#at + DEATHS]
  }

  set deaths(count: number) {
    this.#words[this.#at + DEATHS] = count
  }

  get operations(): number {
    return this.#floats[this.#floatsAt + OPERATIONS]
  }

  set operations(count: number) {
    this.#floats[this.#floatsAt + OPERATIONS] = count
  }

  /** Operations that changed what is protected. */
  get writes(): number {
    return this.#floats[this.#floatsAt + WRITES]
  }

  set writes(count: number) {
    this.#floats[this.#floatsAt + WRITES] = count
  }

  /** The longest time from a kill until this worker was told of it, in milliseconds. */
  get recoveryMs(): number {
    return this.#floats[this.#floatsAt + RECOVERY_MS]
  }

  set recoveryMs(ms: number) {
    this.#floats[this.#floatsAt + RECOVERY_MS] = ms
  }

  /** The buckets of one of its histograms. */
  histogram(which: number): Uint32Array<SharedArrayBuffer> {
    const at = this.#at + FIGURES_WORDS + which * Math.ceil(this.#buckets / 32) * 32
    const { buffer, byteOffset } = this.#words
    return new Uint32Array(buffer, byteOffset + at * 4, this.#buckets)
  }
}
