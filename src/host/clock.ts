/** Clocks. Deadlines are on this thread's own clock; `sharedNow` is the same for all threads of the process. */

/** Milliseconds since some moment, with fractions; this thread's own clock. */
export function now(): number {
  return performance.now()
}

/** The moment `timeoutMs` from now; Infinity stays. */
export function deadlineAfter(timeoutMs: number): number {
  return timeoutMs === Infinity ? Infinity : performance.now() + timeoutMs
}

/** Milliseconds on a clock that all threads share, as an int32 that wraps after 24 days: compare by (a - b) | 0. */
export function sharedNow(): number {
  const [seconds, nanoseconds] = process.hrtime()
  return (seconds * 1000 + nanoseconds / 1e6) | 0
}
