/**
 * pageframe locks SCRIPT [ARGS...]: runs a program with its locks watched, and says what they did.
 *
 *   this process ── node --import locks-hook ──► the program ──► a file, twice a second and at its end
 *        ▲                                                          │
 *        └────────────────── report, on stderr ◄────────────────────┘
 *
 * What the program writes to stdout stays its own. The exit code is the program's.
 */

import { url as hookUrl } from 'virtual:worker-file/locks-hook'
import { defineCommand } from 'citty'
import { setExitCode } from '../host/process.ts'
import { readIfThere, runProgram, temporaryFolder } from '../host/programs.ts'
import { complain } from '../host/workers.ts'
import type { LocksReport } from '../../workers/locks/report-file.ts'
import { usage } from './errors.ts'
import { newDeadlocks, renderLocks } from './locks/report.ts'
import { assertSavable, save } from './saving.ts'

const REPORT_EVERY_MS = 500
const MOST_SECONDS = 86_400

export const locks = defineCommand({
  meta: {
    name: 'locks',
    description:
      'Runs a program and reports on its locks: waits, holds, deadlocks, orders that contradict each other',
  },
  args: {
    script: {
      type: 'positional',
      required: false,
      description: 'A JavaScript file, as for node; what follows it is for the program',
    },
    json: { type: 'string', valueHint: 'FILE', description: 'Writes every figure there, too' },
    every: { type: 'string', valueHint: 'S', description: 'Reports so often while the program runs, too' },
  },

  async run({ args }) {
    const [script, ...rest] = args._
    if (args._.length === 0) throw usage('which program? pageframe locks SCRIPT [ARGS...]')
    const everySeconds = seconds(args.every)
    const { json } = args
    assertSavable(json)

    const folder = temporaryFolder()
    let told = 0
    const tell = (isDue: boolean) => {
      const report = latest(folder.path)
      if (report === undefined) return
      for (const text of newDeadlocks(report, told)) {
        complain(`pageframe locks: deadlock\n${text}`)
        told++
      }
      if (isDue) complain(renderLocks(report))
    }
    const watching = setInterval(() => {
      tell(false)
    }, REPORT_EVERY_MS)
    const reporting = everySeconds === undefined ? undefined : setInterval(tell, everySeconds * 1000, true)
    try {
      const program = runProgram(hookUrl, script, rest, {
        PAGEFRAME_LOCKS: 'deadlocks,statistics',
        PAGEFRAME_LOCKS_REPORT: folder.path,
        PAGEFRAME_LOCKS_EVERY_MS: String(Math.min(REPORT_EVERY_MS, (everySeconds ?? 1) * 500)),
      })
      setExitCode(await program.ended)
      const report = latest(folder.path)
      complain(
        report === undefined
          ? 'pageframe locks: the program ended before it could be asked'
          : renderLocks(report),
      )
      if (json !== undefined) save('locks', json, `${JSON.stringify(report ?? { memories: [] }, null, 2)}\n`)
    } finally {
      clearInterval(watching)
      clearInterval(reporting)
      folder.remove()
    }
  },
})

/** What the program wrote at its end, or before. */
function latest(folder: string): LocksReport | undefined {
  const text = readIfThere(folder, 'final.json') ?? readIfThere(folder, 'running.json')
  return text === undefined ? undefined : (JSON.parse(text) as LocksReport)
}

function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text === '' || !(value >= 0.1) || value > MOST_SECONDS)
    throw usage(`--every must be a number of seconds from 0.1 to ${MOST_SECONDS}, not '${text}'`)
  return value
}
