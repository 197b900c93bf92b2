/**
 * What the models are for: a search that must find nothing, or must find the bug that was planted.
 *
 *   PAGEFRAME_PREEMPTIONS   how many more preemptions a bounded search has than its model says: 1 takes 6 minutes on two cores
 */

import { expect } from 'vitest'
import { explore } from '../../src/testing/explore.ts'
import type { Model } from '../../src/testing/model.ts'
import { formatReport, type Report } from '../../src/testing/report.ts'

const MORE_PREEMPTIONS = Number(process.env.PAGEFRAME_PREEMPTIONS ?? 0)
const MOST_STATES = 60_000_000

export function holds(model: Model): void {
  const report = explore(MORE_PREEMPTIONS === 0 ? model : deeper(model))

  console.log(formatReport(report))
  expect(failures(report)).toEqual([])
}

function deeper({ bounds, ...rest }: Model): Model {
  const preemptions = (bounds?.preemptions ?? Infinity) + MORE_PREEMPTIONS
  return { ...rest, bounds: { ...bounds, preemptions, states: MOST_STATES } }
}

/** `what` is looked for in `kind: message`. */
export function finds(model: Model, what: RegExp): void {
  const report = explore({ ...model, name: `planted: ${model.name}` })

  console.log(formatReport(report).split('\n')[0])
  expect(report.failures.map(({ kind }) => kind)).not.toContain('unfinished') // which would be no find
  expect(failures(report).join()).toMatch(what)
}

function failures(report: Report): string[] {
  return report.failures.map(({ kind, message }) => `${kind}: ${message}`)
}
