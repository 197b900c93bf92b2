/** What the tests of the explorer share: a search, and what came of it. */

import { explore } from '../../../src/testing/explore.ts'
import type { Model } from '../../../src/testing/model.ts'
import { formatReport, type Report } from '../../../src/testing/report.ts'

/** Explores a model, races included, and says in one line how far it got. */
export function check(model: Model): Report {
  const report = explore({ raceCheck: true, ...model })
  console.log(formatReport(report).split('\n')[0])
  return report
}

/** The kind of the first failure, or 'ok'. */
export function verdict(model: Model): string {
  return check(model).failures[0]?.kind ?? 'ok'
}

export function times<T>(count: number, value: T): T[] {
  return Array.from({ length: count }, () => value)
}
