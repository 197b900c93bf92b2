/**
 * Contenders in the thread of the suite itself, timed by tinybench.
 *
 * One operation takes a few nanoseconds and reading the clock about fifty, so a contender's function does PER_SAMPLE of
 * them. What it returns is kept, so that no compiler may drop the work.
 */

import { Bench } from 'tinybench'

export const PER_SAMPLE = 1_000

const ROUND_MS = 60
const NS_PER_MS = 1e6

/** Where results go. Read by nobody, but V8 cannot know. */
export let kept = 0

/** `work` does `perSample` operations at each call. */
export function timed(work, perSample = PER_SAMPLE) {
  return {
    measure() {
      const bench = new Bench({ time: ROUND_MS, warmup: false, retainSamples: true, throws: true })
      bench.add('', () => void (kept ^= work()), { async: false })
      bench.runSync()
      const { samples } = bench.tasks[0].result.latency
      return samples.map((sampleMs) => (sampleMs * NS_PER_MS) / perSample)
    },
  }
}
