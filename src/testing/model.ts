/**
 * Model: a small world for code that is written against Cpu and Thread, and what must hold in it.
 *
 *   const report = explore({
 *     name: 'two increments',
 *     words: 1,
 *     threads: [[increment], [increment]],
 *     final: ({ cpu, assert }) => assert(cpu.load(0) === 2, 'no increment is lost'),
 *   })
 *   function increment({ cpu }: ModelThread) {
 *     cpu.add(0, 1)
 *   }
 *
 * A thread is a list of operations. Each is an ordinary synchronous function; the explorer runs it from its start again
 * and again, each time one shared instruction further, in every order in which the threads could have come. So:
 *
 *  - an operation is deterministic: what it does depends on what its instructions returned, and on nothing else;
 *  - nothing is kept in JavaScript from one operation to the next, nor shared between threads. What a test wants to
 *    remember goes into the ghost words, what the code remembers lies in the memory anyhow;
 *  - a loop that waits must wait by sleep(), awaitChange() or spinWhileEqual(). One that loads again and again has no
 *    end here, and is reported as endless, unless the model says `spinLoops`;
 *  - cut long threads into operations: histories that led to the same memory meet again at each operation's end.
 */

import type { Cpu } from '../host/cpu.ts'
import type { Thread } from '../threads/thread.ts'

export interface Model {
  readonly name: string
  /** Size of the memory in words. */
  readonly words: number
  /** Prepares the memory before any thread runs. */
  init?(cpu: Cpu): void
  /** Thread i has slot index i and tid tidOf(i, 1). */
  readonly threads: readonly ThreadModel[]
  /** Runs once for each killed thread, in the order of the deaths, as one more thread behind the last. */
  readonly reaper?: readonly ReaperOperation[] | undefined
  /** Threads that may be killed before any of their instructions, while they are blocked, and after their last one. */
  readonly kill?: readonly number[] | undefined
  /** Narrows that: asked with the index of the operation and the number of shared instructions it has executed. */
  mayKill?(thread: number, operation: number, step: number): boolean

  /**
   * Holds in every state: throws, or fails an `assert`, if not. Looks at ghosts, and at words that are accessed with
   * order: when a plain word changes, seen from other threads, is not explored.
   */
  invariant?(state: Snapshot): void
  /** Holds whenever all threads have finished or died and the reaper is through. */
  final?(state: Snapshot): void

  /** Words of model-only state for `ghost()`. Default 16. */
  readonly ghostWords?: number
  /** Word index of the first ThreadSlot: what thread.at is computed from. Default 0. */
  readonly slotsAt?: number
  /** Default 0: spinning adds states and no outcomes. */
  readonly spinTurns?: number
  /**
   * Whether the turn of a loop that has seen the same twice in a row, and has changed nothing, waits the third time until
   * one of its words is another: what `while (cpu.load(0) === 0);` does, seen from outside. A turn has up to 8
   * instructions. One that ends by itself, such as a loop that counts its turns, does not wait. Default false: a loop
   * that spins is reported as endless.
   */
  readonly spinLoops?: boolean
  /** Whether isStarving() may be true: then it is a free choice. Default false. */
  readonly handOff?: boolean

  /**
   * Whether it is a failure if two threads access a word without an order that other instructions enforce, one of them
   * plainly and one writing. What is free of races needs no interleaving, so the check saves states. Default false.
   */
  readonly raceCheck?: boolean
  /** Plain words that are read while they may be written, and validated afterwards (seqlocks): they may race. */
  readonly racy?: Words | undefined
  /** Plain words whose value never matters, such as spin estimates: stores are dropped, loads return 0. */
  readonly hints?: Words | undefined
  /**
   * Without raceCheck: plain words that do not race, taken on trust. They are written by one thread and read by nobody
   * else before its death, or accessed only under a lock; when they change, seen from other threads, is not explored.
   */
  readonly notes?: Words | undefined

  readonly bounds?: Bounds | undefined
  /** Names words in traces. */
  label?(at: number): string | undefined
}

/** Half-open ranges of word indices, or a predicate on them. */
export type Words = readonly (readonly [first: number, end: number])[] | ((at: number) => boolean)

export interface Bounds {
  /** The most switches away from a thread that could have gone on. Default: any number, which is the full search. */
  readonly preemptions?: number
  /** Deaths in one run. Default 1. */
  readonly kills?: number
  /** Time-outs in one run. Default: any number, so that a loop which waits with a time-out is endless. */
  readonly timeouts?: number
  /** Waits in one run that end for no reason: sleeps without a ring, changes that did not come. Default 0. */
  readonly spurious?: number
  /** Shared instructions after which an operation counts as endless. Default 1000. */
  readonly steps?: number
  /** States after which the search gives up and the report says so. Default 2 million. */
  readonly states?: number
  /** Failures after which the search ends. Default 1. */
  readonly failures?: number
}

/** The operations of a thread, or those of several asynchronous tasks that take turns on it. */
export type ThreadModel = readonly Operation[] | Tasks

/**
 * Asynchronous tasks of one thread: they share its slot and tid, one operation runs at a time and to its end, and any
 * task may go on after it. A kill ends all of them.
 */
export interface Tasks {
  readonly tasks: readonly (readonly Operation[])[]
}

export type Run = (thread: ModelThread) => void
export type Operation = Run | GatedOperation

export interface GatedOperation {
  readonly run: Run
  /** The operation starts only when this holds: what an event loop waits for, such as a bell that was rung. */
  readonly when?: (state: Snapshot) => boolean
}

export type ReaperOperation = (thread: ModelThread, deadTid: number) => void

/** Changes ghost words, and nothing else; what it returns is what ghost() returns. */
export type GhostUpdate = (ghost: Int32Array) => number

/**
 * The Thread that an operation gets: a new one each time the explorer runs it. Its methods may be taken out of it:
 * `({ cpu, choose }) => cpu.store(0, choose(3))`.
 */
export interface ModelThread extends Thread {
  /** Index in Model.threads; the reaper's is behind the last. */
  readonly index: number
  readonly sleep: Thread['sleep']
  readonly ring: Thread['ring']
  readonly awaitChange: Thread['awaitChange']
  readonly count: Thread['count']
  readonly now: Thread['now']
  readonly deadlineIn: Thread['deadlineIn']
  readonly isStarving: Thread['isStarving']
  /** Looks at and changes model-only state, in one with the instruction before it: nobody comes in between. */
  readonly ghost: (update: GhostUpdate) => number
  /** One of 0 ... count - 1: all are tried. */
  readonly choose: (count: number) => number
  /** Ends the run as a failure if the claim is false. */
  readonly assert: (claim: boolean, message: string) => void
}

/** A state at rest, for invariants and conditions. Valid during the call only. */
export interface Snapshot {
  /** Loads and compares; anything that would write throws. */
  readonly cpu: Cpu
  readonly ghost: Readonly<ArrayLike<number>>
  readonly isDead: (thread: number) => boolean
  readonly isAsleep: (thread: number) => boolean
  readonly isFinished: (thread: number) => boolean
  readonly assert: (claim: boolean, message: string) => void
}
