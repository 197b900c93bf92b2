/**
 * Burials: what is left of a process that has ended goes back, and its parent is told.
 *
 *   port closed           the JavaScript is dead: EXITED, its space returns (reaper.ts)   isReaped
 *   worker's 'exit'       so is what the host was doing for it                            status
 *                         both: ZOMBIE, wait() returns                                    settle()
 *
 * It never blocks: what would have to wait is done again a millisecond later.
 */

import { complainAtOnce, type WorkerEnd } from '../host/spawning.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { SupervisorHost } from '../memory/extension.ts'
import { MustNotBlock } from '../threads/live-thread.ts'
import type { MachineKernel } from './kernel-of.ts'
import { isProcessRunning, nameOfProcess, parent, thread, threadId } from './process-table.ts'
import { finishProcess, orphanChildren, reapProcesses } from './reaper.ts'
import { track, type Machine, type Running } from './running.ts'

const RETRY_MS = 1
const DRAIN_MS = 20
const MOST_DRAIN_MS = 1000

/** A worker that this supervisor did not start may still be in the host's hands for a while after its port has closed. */
const FOREIGN_EXIT_MS = 1000

export class Burials {
  readonly #host: SupervisorHost
  readonly #machines: ReadonlyMap<string, Machine>

  /** `machines`: those there are. */
  constructor(host: SupervisorHost, machines: ReadonlyMap<string, Machine>) {
    this.#host = host
    this.#machines = machines
  }

  /** The process of a thread that is dead: what it held goes back. Returns it, or undefined if the thread was none. */
  reap(machine: Machine, dead: number): Running | undefined {
    const { kernel, processes } = machine
    const { cpu, thread: self } = kernel.attachment
    const exited = reapProcesses(kernel, dead)
    if (exited === undefined) return undefined
    const { pid, at } = exited
    for (const orphan of orphanChildren(kernel, pid)) {
      const process = processes.get(orphan)
      if (process !== undefined) process.isOrphan = true
    }
    const process = processes.get(pid) ?? this.#trackForeign(machine, pid, at)
    cpu.store(at + thread, self.tid) // the next thread that has this tid is somebody else
    return process
  }

  /** A thread that others have started has died: they tell of its exit, if they can. */
  #trackForeign(machine: Machine, pid: number, at: number): Running {
    const { kernel } = machine
    const { cpu } = kernel.attachment
    const isOrphan = !isProcessRunning(kernel, cpu.load(at + parent))
    const process = track(machine, { pid, at, threadId: cpu.load(at + threadId), order: undefined, isOrphan })
    process.timer = setTimeout(() => {
      this.#onForeignExit(machine, process)
    }, FOREIGN_EXIT_MS)
    return process
  }

  /** All that a thread held is back. */
  onReaped(attachment: Attachment, threadId: number): void {
    const machine = this.#machines.get(attachment.id)
    if (machine === undefined) return
    for (const process of [...machine.processes.values()]) {
      if (process.threadId !== threadId) continue
      process.isReaped = true
      this.settle(machine, process)
    }
    this.#drain(machine, DRAIN_MS)
  }

  /** Somebody tells that a thread that he had started is gone. */
  onExit(threadId: number): void {
    for (const machine of [...this.#machines.values()]) {
      for (const process of [...machine.processes.values()]) {
        if (process.threadId === threadId && process.worker === undefined)
          this.#onForeignExit(machine, process)
      }
    }
  }

  #onForeignExit(machine: Machine, process: Running): void {
    clearTimeout(process.timer)
    process.status ??= { exitCode: 1, isOutOfMemory: false }
    this.settle(machine, process)
  }

  /** A worker of this supervisor's is gone. */
  onWorkerEnd(machine: Machine, pid: number, { code, error, isOutOfMemory }: WorkerEnd): void {
    const process = machine.processes.get(pid)
    if (process === undefined || this.#isForgotten(machine)) return
    if (error !== undefined) {
      const name = nameOfProcess(machine.kernel.attachment.cpu, process.at)
      complainAtOnce(`pageframe: process ${pid} '${name}' ended by an error that it did not catch:\n${error}`)
    }
    process.status = { exitCode: code, isOutOfMemory }
    clearTimeout(process.timer)
    this.#host.onDeath(process.threadId) // if its port has not said so before
    this.settle(machine, process)
  }

  /** Once everything of a process is back, and its worker is gone: its parent is told. */
  settle(machine: Machine, process: Running): void {
    const { pid, at, status, isReaped, isOrphan, link } = process
    if (status === undefined || !isReaped || machine.processes.get(pid) !== process) return
    try {
      finishProcess(machine.kernel, at, pid, status, isOrphan)
    } catch (error) {
      if (!(error instanceof MustNotBlock)) throw error
      setTimeout(() => {
        this.settle(machine, process)
      }, RETRY_MS)
      return
    }
    machine.processes.delete(pid)
    link?.close()
    this.#drain(machine, DRAIN_MS)
    if (machine.isAbandoned && machine.processes.size === 0) this.#host.abandon(machine.memory)
  }

  /** Frees what has become the supervisor's to free, as soon as nobody can be using it. */
  #drain(machine: Machine, pauseMs: number): void {
    if (machine.isDraining || this.#isForgotten(machine) || isDrained(machine.kernel)) return
    machine.isDraining = true
    setTimeout(() => {
      machine.isDraining = false
      this.#drain(machine, Math.min(2 * pauseMs, MOST_DRAIN_MS))
    }, pauseMs)
  }

  #isForgotten(machine: Machine): boolean {
    return this.#machines.get(machine.memory) !== machine
  }
}

function isDrained({ limbo, attachment }: MachineKernel): boolean {
  try {
    return limbo.drain() + attachment.frames.drainRetired() === 0
  } catch (error) {
    if (error instanceof MustNotBlock) return false
    throw error
  }
}
