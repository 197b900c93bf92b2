/** Results of an exchange: put together from what each consumer found, and compared with what one thread alone found. */

import type { Result } from '../../../workers/exchange/tally.ts'

/** What several consumers found, as if one had. */
export function merge(parts: readonly Result[]): Result {
  const counts: Record<string, number> = {}
  for (const part of parts) {
    for (const [name, count] of Object.entries(part.counts)) counts[name] = (counts[name] ?? 0) + count
  }
  return {
    records: parts.reduce((sum, part) => sum + part.records, 0),
    counts,
    sum: parts.reduce((sum, part) => sum + part.sum, 0n),
    longest: Math.max(...parts.map((part) => part.longest)),
    checksum: parts.reduce((sum, part) => sum + part.checksum, 0) % 2 ** 32,
  }
}

/** What differs, in words: `words: 12 instead of 13`. Empty if nothing does. */
export function differences(found: Result, expected: Result): string[] {
  const differing: string[] = []
  const compare = (name: string, value: unknown, wanted: unknown) => {
    if (value !== wanted) differing.push(`${name}: ${String(value)} instead of ${String(wanted)}`)
  }
  compare('records', found.records, expected.records)
  compare('checksum', found.checksum, expected.checksum)
  compare('sum', found.sum, expected.sum)
  compare('longest', found.longest, expected.longest)
  for (const name of new Set([...Object.keys(found.counts), ...Object.keys(expected.counts)])) {
    compare(name, found.counts[name] ?? 0, expected.counts[name] ?? 0)
  }
  return differing
}
