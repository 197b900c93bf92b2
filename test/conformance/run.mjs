/**
 * npm run conformance -- FILE.jsonl ... [options]: runs scenario files (the language: README.md) on the built package.
 *
 *   --only ID       only scenarios with this id (may be given several times)
 *   --group NAME    only this group (likewise)
 *   --tier N        only this tier
 *   --layout NAME   lp64 or ilp32; both if it is not given
 *   --jobs N        scenarios at a time (2)
 *   --limit S       seconds that a scenario may take (60)
 *   --repeat N      every scenario so often (1)
 *   --verbose       a line for each scenario that passed or was skipped, too
 *
 * Exit code: 0 all passed or skipped, 1 something failed, 2 the files or the options cannot be used.
 */

import { parseArgs } from 'node:util'
import { LAYOUTS, LIMIT_MS, runAll } from './driver.mjs'
import { Progress, report } from './report.mjs'
import { MalformedFile, readScenarios } from './scenarios.mjs'

class Usage extends Error {}

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  if (!(error instanceof MalformedFile || error instanceof Usage)) throw error
  console.error(`conformance: ${error.message}`)
  process.exitCode = 2
}

async function main(argv) {
  const { values, files } = optionsOf(argv)
  const scenarios = files.flatMap((file) => readScenarios(file)).filter(chosenBy(values))
  if (scenarios.length === 0) throw new Usage('no scenario is left to run: see --only, --group and --tier')

  const layouts = values.layout ?? LAYOUTS
  const repeat = positive(values.repeat, 1, '--repeat')
  const work = Array.from({ length: repeat }, () => scenarios).flat()
  const progress = new Progress(process.stderr, work.length * layouts.length, values.verbose)
  const results = await runAll(work, {
    layouts,
    jobs: positive(values.jobs, 2, '--jobs'),
    limitMs: positive(values.limit, LIMIT_MS / 1000, '--limit') * 1000,
    onResult: (result) => progress.add(result),
  })
  progress.end()
  console.log(report(results))
  return results.some(({ verdict }) => verdict === 'failed') ? 1 : 0
}

function optionsOf(argv) {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: {
        only: { type: 'string', multiple: true },
        group: { type: 'string', multiple: true },
        layout: { type: 'string', multiple: true },
        tier: { type: 'string', multiple: true },
        jobs: { type: 'string' },
        limit: { type: 'string' },
        repeat: { type: 'string' },
        verbose: { type: 'boolean', default: false },
      },
    })
    const unknown = values.layout?.find((layout) => !LAYOUTS.includes(layout))
    if (unknown !== undefined) throw new Error(`--layout ${unknown}: there are ${LAYOUTS.join(' and ')}`)
    if (positionals.length === 0)
      throw new Error('which file? For example: npm run conformance -- test/conformance/cases.jsonl')
    return { values, files: positionals }
  } catch (error) {
    throw new Usage(error.message)
  }
}

function chosenBy({ only, group, tier }) {
  const isAmong = (list, value) => list === undefined || list.includes(String(value))
  return (scenario) =>
    isAmong(only, scenario.id) && isAmong(group, scenario.group) && isAmong(tier, scenario.tier)
}

function positive(text, otherwise, option) {
  if (text === undefined) return otherwise
  const value = Number(text)
  if (!(value > 0) || (option !== '--limit' && !Number.isInteger(value)))
    throw new Usage(`${option} ${text}: a positive number`)
  return value
}
