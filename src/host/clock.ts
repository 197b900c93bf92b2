/** The clock, the same for all threads of the process. */

// Once: `process` is a getter of the global object, and V8 calls it each time.
const { hrtime } = process

/** Milliseconds since some moment, with fractions. Not performance.now(): to have that loaded takes a new worker 0.4 ms. */
export function now(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1000 + nanoseconds / 1e6
}

/** The moment `timeoutMs` from now; Infinity stays. */
export function deadlineAfter(timeoutMs: number): number {
  return timeoutMs === Infinity ? Infinity : now() + timeoutMs
}

/** Milliseconds on a clock that all threads share, as an int32 that wraps after 24 days: compare by (a - b) | 0. */
export function sharedNow(): number {
  return now() | 0
}
