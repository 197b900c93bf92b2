/** Where and when figures were taken, and who else was at work on the machine meanwhile. */

import { readFileSync } from 'node:fs'
import { arch, availableParallelism, cpus, platform, release, totalmem } from 'node:os'

const GIB = 2 ** 30

export function describeMachine() {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU'
  const memory = `${Math.round(totalmem() / GIB)} GiB`
  return `${model}, ${availableParallelism()} cores, ${memory}, ${platform()} ${release()} ${arch()}`
}

/**
 * Starts to listen; the function that it returns says which share of the machine others used since: 0 to 1, and 0 where
 * there is no /proc. What a hypervisor gave to other guests counts too. Children that have ended are ours.
 */
export function listenToOthers() {
  const before = readTicks()
  return () => {
    const after = readTicks()
    if (before === undefined || after === undefined || after.total === before.total) return 0
    const others = after.busy - before.busy - (after.ours - before.ours)
    return Math.max(0, others / (after.total - before.total))
  }
}

/** See proc_stat(5) and proc_pid_stat(5). All in clock ticks. */
function readTicks() {
  try {
    const machine = readFileSync('/proc/stat', 'utf8')
      .split('\n', 1)[0]
      .trim()
      .split(/\s+/)
      .slice(1, 9)
      .map(Number)
    const total = machine.reduce((sum, ticks) => sum + ticks, 0)
    const [, , , idle, iowait] = machine
    // The name in parentheses may hold spaces. What follows it begins with field 3; 14 to 17 are the times.
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\)\s/s, '')
      .split(' ')
    const ours = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0)
    return { total, busy: total - idle - iowait, ours }
  } catch {
    return undefined
  }
}
