/** Machines and processes as users have them: from the installed package, in JavaScript and in TypeScript. */

import { expect, test } from 'vitest'
import { useProject } from './project.ts'

const project = useProject()
const done = { status: { code: 42, signal: null }, sum: 42, problems: [] }

test('a process whose module is JavaScript', async () => {
  expect(await project().resultOf('machine.mjs', './process.mjs')).toEqual(done)
})

test('a process whose module is TypeScript, as it stands', async ({ skip }) => {
  const runsTypes = Boolean((process.features as { typescript?: unknown }).typescript)
  skip(!runsTypes, `Node ${process.versions.node} does not run TypeScript`)

  expect(await project().resultOf('machine.mjs', './process.ts')).toEqual(done)
})
