/**
 * Wait records, and the buckets that they queue in: what a wait is in shared memory.
 *
 *   Bucket   0      1      2      3                 WaitRecord  0      1     2      3      4        5
 *          ┌──────┬──────┬──────┬────────┐                    ┌───────┬─────┬──────┬──────┬────────┬────────┐
 *          │ lock │ head │ tail │ ticket │ 128 bytes          │ state │ tid │ key0 │ key1 │ ticket │ bitset │
 *          └──────┴──┬───┴──────┴────────┘                    ├───────┼─────┼──────┴┬─────┴┬───────┬┴────────┤
 *                    └──────────► record ◄──── next/prev ────►│ next  │ prev│ bucket│ kind │ since │ purpose │
 *                                                             ├───────┼─────┼───────┼──────┴───────┴─────────┘
 *                                                             │ line  │other│outcome│ last │
 *                                                             └───────┴─────┴───────┴──────┘
 *
 *   state      who may leave it, always by ONE compareExchange; the loser obeys
 *   UNUSED     the owner takes it (store: nobody else looks at an unused record)
 *   WAITING    a waker (WOKEN, HANDED), the owner (TIMED_OUT, ABORTED), the reaper of the owner (ABORTED), whoever takes
 *              apart what it waits for, or his reaper (ENDED)
 *   WOKEN      the owner, after its retry. Gives no ownership: the waiter tries again
 *   HANDED     the owner. The waker has done the acquiring for it (of a lock: for blocked waiters only)
 *   TIMED_OUT, ABORTED: the owner. ENDED: the owner, who does not look at the word again
 *
 * Behind the ticket a bucket has two hints: `fairAt`, the time from which a lock may be handed over again, and `waking`, the
 * sleeper that was woken last (queues.ts).
 *
 * The key is two opaque words: on a bare memory region and offset, through a process object and offset. 0 and 0: what it was
 * woken for, or was not in time for, has been taken apart before its owner came round to it (Lot.endWaits).
 *
 *   bucket    whose lock guards the record while it is WAITING, TIMED_OUT or ABORTED; 0 when it is out of the queue. In
 *             the other states it means nothing
 *   line, last   the asynchronous waits of its thread for the same, behind it: the first and the last of them (lines.ts)
 *   other     a condition's wait: the mutex, and when it has been notified and queues for that, the condition
 *             (condition.ts). Else 0
 *   outcome   a condition's wait: what it answers when it has the mutex again. A futex's: the bitset that woke it.
 *             An asynchronous writer's: when it was called (rwlock-word.ts), or 0
 */

import { i32, layout, newLine } from '../words/layout.ts'

export const Bucket = layout('Bucket', 128, {
  lock: i32,
  head: i32,
  tail: i32,
  ticket: i32,
  fairAt: i32,
  waking: i32,
  _end: newLine,
})

export const WaitRecord = layout('WaitRecord', 64, {
  state: i32,
  tid: i32,
  key0: i32,
  key1: i32,
  ticket: i32,
  bitset: i32,
  next: i32,
  prev: i32,
  bucket: i32,
  kind: i32,
  since: i32,
  purpose: i32,
  line: i32,
  other: i32,
  outcome: i32,
  last: i32,
})

export const UNUSED = 0
export const WAITING = 1
export const WOKEN = 2
export const HANDED = 3
export const TIMED_OUT = 4
export const ABORTED = 5
/** What it waited for has ended: the words there are no longer what they were. */
export const ENDED = 6

/** A record's kind: the static one of a thread that sleeps, or one of many of a thread that goes on. */
export const BLOCKED = 0
export const ASYNC = 1

/**
 * In the purpose of waits of which one is woken at a time, and which try again then: the asynchronous ones of a thread
 * stand in line (lines.ts).
 */
export const LINED = 64

/** The purpose of records that wait for a condition: they have a second key in `other`, their mutex. */
export const CONDITION_PURPOSE = 4

/** The bitset of a wait that every wake-up may end, and of a wake-up for every wait (FUTEX_BITSET_MATCH_ANY). */
export const ANY = -1
