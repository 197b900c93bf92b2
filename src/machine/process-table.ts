/**
 * The process table: who claims a slot, binds it, and gives it up.
 *
 *   claimSlot ─► EMBRYO ─► bindSlot ─► RUNNING ─► (supervisor: EXITED ─► ZOMBIE, permits in `ended`) ─► freeSlot ─► FREE
 *
 * process-slot.ts has the words, the states, and the invariants.
 */

import type { Cpu } from '../host/cpu.ts'
import { readText, writeText } from '../memory/superblock.ts'
import { TlbState } from '../paging/presence.ts'
import { processAt, type ProcessTable } from '../paging/processes.ts'
import { EAGAIN } from '../words/errno.ts'
import { EMBRYO, EXITED, FREE, MachineHeader, ProcessSlot, RUNNING, ZOMBIE } from './process-slot.ts'

const {
  state,
  thread,
  threadId,
  parent,
  code,
  signal,
  asked,
  ended,
  nameBytes,
  name,
  descriptors,
  held,
  sizeof,
} = ProcessSlot

const STATE_BITS = 3

/** The states by name, as inspect prints them. */
export const STATE_NAMES = ['free', 'embryo', 'running', 'exited', 'zombie'] as const
export type ProcessState = (typeof STATE_NAMES)[number]

/** No status yet. */
export const NO_CODE = -1

export function stateWord(pid: number, to: number): number {
  return (pid << STATE_BITS) | to
}

export function pidIn(word: number): number {
  return word >>> STATE_BITS
}

export function stateIn(word: number): number {
  return word & ((1 << STATE_BITS) - 1)
}

/** Moves a process from one state to the next. False if it was not in that, or is no more. */
export function moveProcess(cpu: Cpu, at: number, pid: number, from: number, to: number): boolean {
  const before = stateWord(pid, from)
  return cpu.compareExchange(at + state, before, stateWord(pid, to)) === before
}

export function isProcessIn(cpu: Cpu, at: number, pid: number, wanted: number): boolean {
  return cpu.load(at + state) === stateWord(pid, wanted)
}

export interface Claim {
  readonly table: ProcessTable
  readonly headerAt: number
  /** The claiming thread. */
  readonly tid: number
  /** Pid of the parent. */
  readonly parent: number
  readonly name: string
}

/** Claims a free slot and makes it an EMBRYO with a pid of its own. Its index, or -EAGAIN when all are taken. */
export function claimSlot(cpu: Cpu, claim: Claim): number {
  const { table, headerAt, tid } = claim
  for (let index = 0; index < table.count; index++) {
    const at = processAt(table, index)
    if (cpu.load(at + thread) !== 0 || cpu.compareExchange(at + thread, 0, tid) !== 0) continue
    clearSlot(cpu, at)
    cpu.store(at + parent, claim.parent)
    cpu.store(at + threadId, -1)
    cpu.store(at + code, NO_CODE)
    writeText(cpu, at + nameBytes, at + name, claim.name)
    // The commit: before it the slot is FREE, and the reaper of this thread only takes back the claim.
    cpu.store(at + state, stateWord(cpu.add(headerAt + MachineHeader.nextPid, 1), EMBRYO))
    return index
  }
  return -EAGAIN
}

/** All words but the claim and what limbo compares: its generations go on from one process of a slot to the next. */
function clearSlot(cpu: Cpu, at: number): void {
  cpu.store(at + TlbState.online, 0)
  cpu.store(at + TlbState.tid, 0)
  cpu.fill((at + TlbState.sizeof) * 4, 0, (thread - TlbState.sizeof) * 4)
  cpu.fill((at + thread + 1) * 4, 0, (sizeof - thread - 1) * 4)
}

/** The supervisor takes the order for an EMBRYO. False if its parent has died, and it with it. */
export function takeOver(cpu: Cpu, at: number, pid: number, parentTid: number, tid: number): boolean {
  return isProcessIn(cpu, at, pid, EMBRYO) && cpu.compareExchange(at + thread, parentTid, tid) === parentTid
}

/** An EMBRYO becomes the running process of a thread. False if it is no EMBRYO any more. */
export function bindSlot(cpu: Cpu, at: number, pid: number, tid: number, nodeThreadId: number): boolean {
  const maker = cpu.load(at + thread)
  if (!isProcessIn(cpu, at, pid, EMBRYO)) return false
  // Whoever gives the EMBRYO up meanwhile has stored 0 by now, or stores it later: then the slot is not ours to name.
  if (cpu.compareExchange(at + thread, maker, tid) !== maker) return false
  if (!isProcessIn(cpu, at, pid, EMBRYO)) {
    cpu.compareExchange(at + thread, tid, maker)
    return false
  }
  cpu.store(at + threadId, nodeThreadId)
  cpu.store(at + TlbState.tid, tid)
  return moveProcess(cpu, at, pid, EMBRYO, RUNNING)
}

/** Gives up an EMBRYO that this thread has claimed, and nobody else has heard of; or a ZOMBIE. */
export function freeSlot(cpu: Cpu, at: number, pid: number, from: typeof EMBRYO | typeof ZOMBIE): boolean {
  if (!moveProcess(cpu, at, pid, from, FREE)) return false
  cpu.store(at + thread, 0)
  return true
}

/**
 * A thread is dead: what was it to a slot? The reaper, which is the supervisor's thread, so nobody takes over meanwhile. An
 * EMBRYO that it names is one nobody else has heard of; a process that it ran is EXITED from now on.
 */
export function fateOf(cpu: Cpu, at: number, dead: number): 'none' | 'claimed' | 'embryo' | 'exited' {
  if (cpu.load(at + thread) !== dead) return 'none'
  const pid = pidIn(cpu.load(at + state))
  if (isProcessIn(cpu, at, pid, FREE)) return 'claimed'
  if (isProcessIn(cpu, at, pid, EMBRYO)) return 'embryo'
  return moveProcess(cpu, at, pid, RUNNING, EXITED) || isProcessIn(cpu, at, pid, EXITED) ? 'exited' : 'none'
}

/** Takes back the claim of a dead thread that had not made anything of it. */
export function dropClaim(cpu: Cpu, at: number): void {
  cpu.store(at + thread, 0)
}

/** Says how a process has ended, before it has: the first word stands. */
export function setExitCode(cpu: Cpu, at: number, status: number): void {
  cpu.compareExchange(at + code, NO_CODE, status)
}

export function nameOfProcess(cpu: Cpu, at: number): string {
  return readText(cpu, at + nameBytes, at + name)
}

/** Processes that exist, by the word of their state. */
export function* slotsInUse(
  cpu: Cpu,
  table: ProcessTable,
): Generator<{ readonly index: number; readonly at: number; readonly pid: number; readonly state: number }> {
  for (let index = 0; index < table.count; index++) {
    const at = processAt(table, index)
    const word = cpu.load(at + state)
    if (stateIn(word) !== FREE) yield { index, at, pid: pidIn(word), state: stateIn(word) }
  }
}

/** True while a process of that pid runs. */
export function isProcessRunning({ attachment, processes }: Processes, pid: number): boolean {
  for (const { pid: its, state } of slotsInUse(attachment.cpu, processes)) {
    if (its === pid) return state === RUNNING
  }
  return false
}

interface Processes {
  readonly attachment: { readonly cpu: Cpu }
  readonly processes: ProcessTable
}

export { asked, code, descriptors, ended, held, parent, signal, state, thread, threadId }
