/**
 * Thread: what a thread brings to the code that runs on shared memory.
 *
 * The raw algorithms of the floors above take one explicitly and keep no state of their own, so the explorer can run
 * them, unmodified, with a double of this interface. Each method is a point where another thread may come in between;
 * everything else they do to shared memory goes through `cpu`.
 */

import type { Cpu } from '../host/cpu.ts'

export interface Thread {
  readonly cpu: Cpu
  /** Word index of this thread's ThreadSlot. */
  readonly at: number
  /** Identity in lock words: generation << 8 | slot index. Never 0, at most 30 bits, never used again. */
  readonly tid: number
  /** The most turns of a spin loop that this thread should ever take before it sleeps; 0 where spinning is no use. */
  readonly spinTurns: number

  /**
   * Sleeps on one of this thread's own doorbell words while it holds `value`.
   * True when it was rung or holds something else; false when `deadline` has passed.
   */
  sleep(at: number, value: number, deadline: number): boolean
  /** Wakes the thread that sleeps on a doorbell word. `perhaps`: after a death nobody knows whether there is one. */
  ring(at: number, perhaps?: boolean): void
  /** Waits a little, until the word is likely to differ from `value`: for the short locks of the kernel itself. */
  awaitChange(at: number, value: number): void
  /** Adds one to a counter of this thread (counters.ts). Nobody's decision may depend on it. */
  count(counter: number): void
  /** Milliseconds on a clock that all threads share, as an int32 that wraps. */
  now(): number
  /** A deadline for sleep(), some milliseconds from now. */
  deadlineIn(ms: number): number
  /**
   * True when a wait that began at `since` (of `now`) has lasted long enough to be handed the lock, and it is not before `fairAt`,
   * if that is given and not 0.
   */
  isStarving(since: number, fairAt?: number): boolean
}
