/**
 * Folding: a trace with its repetitions left out, for people.
 *
 *   T1 load(1) = 1
 *   T1 load(2) = 0
 *   ... and again, 498 times      the two lines before this one
 */

/** Lines of the longest row whose repetitions are looked for: a turn of a loop, or of two that alternate. */
const MOST_LINES = 24
const LEAST_TIMES = 3

/** The same lines, a row that comes at least three times in succession shown once. */
export function fold(lines: readonly string[]): string[] {
  const folded: string[] = []
  for (let at = 0; at < lines.length;) {
    const { length, times } = rowAt(lines, at)
    folded.push(...lines.slice(at, at + length))
    if (times > 1) folded.push(`... and again, ${times - 1} times`)
    at += length * times
  }
  return folded
}

/** The row that repeats from `at` on, of those that reach furthest the shortest; or one line. */
function rowAt(lines: readonly string[], at: number): { length: number; times: number } {
  let row = { length: 1, times: 1 }
  for (let length = 1; length <= MOST_LINES; length++) {
    let end = at + length
    while (end < lines.length && lines[end] === lines[end - length]) end++
    const times = Math.floor((end - at) / length)
    if (times >= LEAST_TIMES && times * length > row.times * row.length) row = { length, times }
  }
  return row
}
