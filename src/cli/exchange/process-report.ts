/** What an exchange says of its processes: what each faulted, where it sees the segment, in which frame, and its maps. */

import Table from 'cli-table3'
import { SEGMENT } from '../../../workers/exchange/segment.ts'
import { showAddress } from '../../paging/addresses.ts'
import type { ProcessFacts } from './process-crew.ts'
import type { Round } from './competitor.ts'

const HEADINGS = ['process', 'minor faults', 'major faults', `${SEGMENT} at`, 'its first page in frame']

/** Lines for behind the table; none if no processes took part. */
export function processLines(processes: readonly ProcessFacts[], rounds: readonly Round[]): string[] {
  if (processes.length === 0) return []
  const copied = rounds.reduce((sum, round) => sum + round.copiedBytes, 0)
  return [
    '',
    `Between processes: shared memory '${SEGMENT}', one contiguous segment that each maps for itself; bytes copied ${copied}.`,
    facts(processes),
    ...processes.flatMap(({ pid, name, maps }) => [
      `Memory map of process ${pid}, ${name}:`,
      ...maps
        .trimEnd()
        .split('\n')
        .map((line) => `  ${line}`),
    ]),
  ]
}

function facts(processes: readonly ProcessFacts[]): string {
  const table = new Table({
    head: HEADINGS,
    colAligns: HEADINGS.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  })
  for (const { pid, name, minorFaults, majorFaults, address, frame } of processes) {
    table.push([`${pid}, ${name}`, minorFaults, majorFaults, showAddress(address), frame])
  }
  return table.toString()
}
