/** What the models are for: a search that must find nothing, or must find the bug that was planted. */

import { expect } from 'vitest'
import { explore } from '../../src/testing/explore.ts'
import type { Model } from '../../src/testing/model.ts'
import { formatReport, type Report } from '../../src/testing/report.ts'

export function holds(model: Model): void {
  const report = explore(model)

  console.log(formatReport(report))
  expect(failures(report)).toEqual([])
}

/** `what` is looked for in `kind: message`. */
export function finds(model: Model, what: RegExp): void {
  const report = explore({ ...model, name: `planted: ${model.name}` })

  console.log(formatReport(report).split('\n')[0])
  expect(failures(report).join()).toMatch(what)
}

function failures(report: Report): string[] {
  return report.failures.map(({ kind, message }) => `${kind}: ${message}`)
}
