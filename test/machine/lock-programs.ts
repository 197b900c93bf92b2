/** Programs of processes that meet on one page, '/shared', for tests of locks at addresses. */

import {
  O_CREAT,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
  MAP_SHARED,
  type Machine,
  type Process,
} from 'pageframe/machine'
import { waitGraph } from 'pageframe/inspect'
import { eventually } from '../support.ts'

export const BOTH = PROT_READ | PROT_WRITE
export const LIMIT_MS = 60_000

/** A page that every process of the machine maps as '/shared'. */
export function share(self: Process, pages = 1): number {
  const fd = self.shmOpen('/shared', O_CREAT | O_RDWR)
  self.ftruncate(fd, pages * 4096)
  return self.mmap(null, pages * 4096, BOTH, MAP_SHARED, fd)
}

/** In a process: where it maps the same. */
const SHARED = `(() => {
  const fd = self.shmOpen('/shared', 2)
  return self.mmap(null, self.fstat(fd).size, 3, 1, fd)
})()`

/** Runs a text as the program of a process, with `at`, `self` and the machine's exports. */
export function run(machine: Machine, text: string) {
  const source = `({ self, ...os }) => { const at = ${SHARED}; ${text} }`
  return machine.spawn(new URL('../fixtures/program.mjs', import.meta.url), { args: { source, args: [] } })
}

/** Until so many threads sleep in the library. */
export async function asleep(machine: Machine, count: number): Promise<void> {
  await eventually(
    () => waitGraph(machine.memory).waits.filter(({ isAsync }) => !isAsync).length >= count,
    'their sleep',
  )
}
