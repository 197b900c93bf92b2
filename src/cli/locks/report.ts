/** The report of `pageframe locks`, as text. */

import type { LocksReport, MemoryReport } from '../../../workers/locks/report-file.ts'

/** The deadlocks that have not been told yet; `told` have. */
export function newDeadlocks({ memories }: LocksReport, told: number): readonly string[] {
  return memories.flatMap(({ deadlocks }) => deadlocks).slice(told)
}

export function renderLocks({ memories }: LocksReport): string {
  const used = memories.filter(isUsed)
  if (used.length === 0) {
    return (
      '\npageframe locks: no lock was used. (Of another copy of pageframe in the same process nothing is seen, if its ' +
      'version differs: npm ls pageframe)'
    )
  }
  return used.map((report) => renderMemory(report, memories.length > 1)).join('\n')
}

function isUsed({ locks, waitCount }: MemoryReport): boolean {
  return locks.length > 0 || waitCount > 0
}

function renderMemory(report: MemoryReport, isOneOfMany: boolean): string {
  const { memory, table, deadlocks, inversions, waits, waitCount } = report
  return [
    isOneOfMany ? `\nlocks of memory '${memory}'\n` : '\nlocks\n',
    table,
    ...section(deadlocks.length, 'deadlock', 'that was not waited for: EDEADLK', deadlocks),
    ...section(
      inversions.length,
      'contradiction',
      'in the order of locks: a deadlock that has not happened yet',
      inversions.map(({ text }) => text),
    ),
    ...(waitCount === 0 ? [] : [`\nwaiting at this moment\n\n${waits}`]),
  ].join('\n')
}

function section(count: number, what: string, meaning: string, texts: readonly string[]): string[] {
  if (count === 0) return []
  return [`\n${count} ${what}${count === 1 ? '' : 's'} ${meaning}\n`, ...texts.map((text) => `${text}\n`)]
}
