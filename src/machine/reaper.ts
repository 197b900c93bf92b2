/**
 * The reaper's steps for processes: what a process held returns in two steps, since two things are known one after the other.
 *
 *   the thread's JavaScript is dead      RUNNING ─► EXITED    its areas, frames and descriptors         reapProcesses
 *   its worker has exited                EXITED  ─► ZOMBIE    frames that views reach; `ended`          finishProcess
 *
 * In the supervisor. Both may be repeated, and throw MustNotBlock where they would have to wait.
 */

import type { Cpu } from '../host/cpu.ts'
import { dropDescriptors } from '../ipc/descriptors.ts'
import { repairNames } from '../ipc/names.ts'
import { releasePins, teardownSpace } from '../space/teardown.ts'
import { TlbState } from '../paging/presence.ts'
import { permitsOf, release } from '../sync/semaphore.ts'
import type { MachineKernel } from './kernel-of.ts'
import { EMBRYO, EXITED, MachineHeader, ZOMBIE } from './process-slot.ts'
import {
  asked,
  code,
  descriptors,
  dropClaim,
  ended,
  fateOf,
  freeSlot,
  held,
  isProcessIn,
  moveProcess,
  NO_CODE,
  parent,
  pidIn,
  signal,
  slotsInUse,
  state,
} from './process-table.ts'
import { processAt } from '../paging/processes.ts'
import { releaseHeldMutexes } from './sync/reap.ts'
import { SIGNALS } from './signals.ts'

/** More than there can be threads that wait. */
const EVERYBODY = 0x10000

/** The first process: who dies last. */
export const INIT_PID = 1

/**
 * A thread of the machine is dead: its process has exited, and what it was making is unmade. Returns that process, or
 * undefined if it ran none.
 */
export function reapProcesses(kernel: MachineKernel, dead: number): { pid: number; at: number } | undefined {
  const { cpu } = kernel.attachment
  repairNames(kernel, kernel.headerAt + MachineHeader.shmNames, dead)
  let exited: { pid: number; at: number } | undefined
  for (let index = 0; index < kernel.processes.count; index++) {
    const at = processAt(kernel.processes, index)
    const pid = pidIn(cpu.load(at + state))
    const fate = fateOf(cpu, at, dead)
    if (fate === 'claimed') dropClaim(cpu, at)
    else if (fate === 'embryo') unmake(kernel, at, pid)
    else if (fate === 'exited') {
      cpu.store(at + TlbState.tid, 0)
      releaseHeldMutexes(kernel, at, at + held, dead) // while its table says where they are
      tearDown(kernel, at)
      exited = { pid, at }
    }
  }
  return exited
}

/** A process that will never run: its space returns, its slot is nobody's. */
function unmake(kernel: MachineKernel, at: number, pid: number): void {
  tearDown(kernel, at)
  freeSlot(kernel.attachment.cpu, at, pid, EMBRYO)
}

function tearDown(kernel: MachineKernel, at: number): void {
  kernel.attachment.cpu.store(at + held, 0) // its frames go with the space
  dropDescriptors(kernel, at + descriptors)
  teardownSpace(kernel, at)
}

/** How a worker ended, as far as the host knows. */
export interface HostStatus {
  readonly exitCode: number
  readonly isOutOfMemory: boolean
}

/** The worker of a process that has exited, or has never begun, is gone: what is left of it is its status. */
export function finishProcess(
  kernel: MachineKernel,
  at: number,
  pid: number,
  status: HostStatus,
  isOrphan: boolean,
): void {
  const { cpu, lot } = kernel.attachment
  if (isProcessIn(cpu, at, pid, EMBRYO)) {
    tearDown(kernel, at)
    setStatus(cpu, at, status)
    if (!moveProcess(cpu, at, pid, EMBRYO, ZOMBIE)) return
  } else if (isProcessIn(cpu, at, pid, EXITED)) {
    releasePins(kernel, at)
    setStatus(cpu, at, status)
    moveProcess(cpu, at, pid, EXITED, ZOMBIE)
  }
  if (!isProcessIn(cpu, at, pid, ZOMBIE)) return
  if (isOrphan) freeSlot(cpu, at, pid, ZOMBIE)
  else if (permitsOf(lot, at + ended) === 0) release(lot, at + ended, EVERYBODY)
}

/** What main() returned or exit() was given stands; else who asked it to end; else what the host says. */
function setStatus(cpu: Cpu, at: number, { exitCode, isOutOfMemory }: HostStatus): void {
  if (cpu.load(at + code) !== NO_CODE || cpu.load(at + signal) !== 0) return
  const killedBy = isOutOfMemory ? SIGNALS.SIGKILL : cpu.load(at + asked)
  if (killedBy !== 0) cpu.store(at + signal, killedBy)
  else cpu.store(at + code, exitCode & 0xff)
}

/** The children of a process that is gone: those that have ended are forgotten, the others are the first process's. */
export function orphanChildren(kernel: MachineKernel, pid: number): number[] {
  const { cpu } = kernel.attachment
  const living: number[] = []
  for (const { at, pid: child, state: its } of slotsInUse(cpu, kernel.processes)) {
    if (cpu.load(at + parent) !== pid) continue
    if (its === ZOMBIE) {
      freeSlot(cpu, at, child, ZOMBIE)
      continue
    }
    cpu.store(at + parent, INIT_PID)
    living.push(child)
  }
  return living
}
