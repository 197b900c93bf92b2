/**
 * Guard: how a wait learns that what it is for was destroyed.
 *
 *   destroyer   changes the guard word ─► ends the waits in every queue (Lot.endWaits) ─► the words are another's
 *   waiter      looks at the guard word under the bucket's lock, then queues; and before each try to take
 *
 * So a wait that begins while its object ends is in a queue before the destroyer comes by, or sees the guard and never
 * queues. What is left is a try to take that stands between its look and its instruction all the while.
 */

/** The words [first, end) belong to a thing that lives as long as the word `at` has the value `own`. */
export interface Guard {
  readonly at: number
  readonly own: number
  readonly first: number
  readonly end: number
  /** Of another thing that the same wait is for: a condition's mutex. */
  readonly also?: Guard
}
