/**
 * What this engine can do now. A scenario that asks for more is skipped, and the report says why.
 *
 * To support a call: a row in CALLS (calls.mjs) if a process does it itself, in VIEWS (views.mjs) if it is read from
 * outside, or in STEPS (run-scenario.mjs) if the driver does it; then take it out of LATER, and its need out of NEEDS.
 */

import { CALLS } from './calls.mjs'
import { EXPECTATIONS } from './expectations.mjs'
import { STEPS } from './steps.mjs'
import { STATUS, VIEWS } from './views.mjs'

/** The words of `needs`: true, or why not. */
export const NEEDS = {
  posix_shm: true,
  kill: true,
  maps: true,
  stats: true,
  frames: true,
  faults: true,
  sysv_shm: 'System V shared memory is not there yet',
  sysv_sem: 'System V semaphores are not there yet',
  posix_sem: true,
  file: 'files cannot be mapped yet',
  memfd: 'memfd_create is not there yet',
  fork: 'fork is not there yet',
  signal: 'signal handlers are not there yet',
  mutex: true,
  cond: true,
  rwlock: true,
  barrier: true,
  spin: true,
  futex: true,
  mq: 'POSIX message queues are not there yet',
  mlock: 'memory locks are not there yet',
  mincore: 'mincore is not there yet',
  madvise: 'madvise is not there yet',
  mremap: 'mremap is not there yet',
  msync: 'msync is not there yet',
  brk: 'brk is not there yet',
  swap: 'swap is not there yet',
  perm: 'users and permissions are not there yet',
  rlimit: 'resource limits are not there yet',
  sysctl: 'there are no sysctls yet',
  hugetlb: 'huge pages are not there',
  ksm: 'merging of equal pages is not there',
  mseal: 'mseal is not there',
}

/** Calls that scenarios make without naming a need, or with one that covers more than them. */
const LATER = {
  fork: NEEDS.fork,
  pipe: 'there are no pipes',
  fcntl: 'fcntl is not there yet',
  umask: 'the umask is 022 and cannot be changed yet',
  open: NEEDS.file,
  pread: 'pread is not there yet',
  pwrite: 'pwrite is not there yet',
  fdigest: 'pread is not there yet',
  fallocate: NEEDS.file,
  meminfo: 'meminfo is not there yet',
  remap_file_pages: 'remap_file_pages is not there',
}

/**
 * Why the engine cannot run this scenario; undefined if it can.
 *
 * @param {import('./scenarios.mjs').Scenario} scenario
 * @returns {string | undefined}
 */
export function reasonToSkip({ needs, steps }) {
  for (const need of needs) {
    if (!Object.hasOwn(NEEDS, need)) return `needs '${need}', which this engine does not know`
    if (NEEDS[need] !== true) return NEEDS[need]
  }
  for (const { call, args = {}, expect = {} } of steps) {
    if (!canDo(call)) return Object.hasOwn(LATER, call) ? LATER[call] : `this engine has no call '${call}'`
    if (call === 'procstat' && !Object.hasOwn(STATUS, args.field))
      return `nothing here shows ${args.field} of a process`
    const unknown = Object.keys(expect).find((key) => !EXPECTATIONS.has(key))
    if (unknown !== undefined) return `nothing here can look at the expectation '${unknown}'`
  }
  return undefined
}

function canDo(call) {
  return [CALLS, VIEWS, STEPS].some((table) => Object.hasOwn(table, call))
}
