/**
 * What the supervisor of machines does: it spawns their processes, hears of their ends, and gives back what they held.
 *
 *   parent ── Spawn ──► supervisor ── new Worker, or the spare (spare.ts) ──► process
 *                         │  listens to the process's private port from its first moment: nothing depends on the event
 *                         │  loop of the main thread, which may be blocked in child.wait() already
 *                         ▼
 *   port closed           the JavaScript is dead: EXITED, its space returns              reap()
 *   worker's 'exit'       so is what the host was doing for it: ZOMBIE, wait() returns   #settle()
 *
 * An extension of the supervisor (memory/extension.ts), in its thread. It never blocks: what would have to wait is done again
 * a millisecond later.
 */

import { complainAtOnce, startWorker, type Worker, type WorkerEnd } from '../host/spawning.ts'
import { MessageChannel, threadId as supervisorId, type MessagePort } from '../host/workers.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { SupervisorExtension, SupervisorHost } from '../memory/extension.ts'
import type { Offer } from '../memory/protocol.ts'
import type { KindRepair } from '../memory/reaper.ts'
import { linkRepair } from '../paging/link.ts'
import { TlbState } from '../paging/presence.ts'
import { processAt } from '../paging/processes.ts'
import { MustNotBlock } from '../threads/live-thread.ts'
import { kernelOf, type MachineKernel } from './kernel-of.ts'
import {
  asked,
  isProcessRunning,
  nameOfProcess,
  parent,
  takeOver,
  thread,
  threadId,
} from './process-table.ts'
import type { Asked, Booted, Order, ProcessData, ProcessPlan, Spawn } from './protocol.ts'
import { OneATurn } from './one-a-turn.ts'
import { finishProcess, INIT_PID, orphanChildren, reapProcesses, type HostStatus } from './reaper.ts'
import { machineProblems, machineRepairs } from './repairs.ts'
import { SIGNALS } from './signals.ts'
import { Spare, type Recruit } from './spare.ts'

const RETRY_MS = 1
const DRAIN_MS = 20
const MOST_DRAIN_MS = 1000

/** What a process that was asked to end has time for. */
const GRACE_MS = 100

/** A worker that this supervisor did not start may still be in the host's hands for a while after its port has closed. */
const FOREIGN_EXIT_MS = 1000

const NO_THREAD = -1

interface Machine {
  readonly memory: string
  readonly kernel: MachineKernel
  /** By pid: processes whose end is this supervisor's concern. */
  readonly processes: Map<number, Running>
  /** Nothing is spawned any more. */
  isEnding: boolean
  /** Its first process is gone, and nobody is left to end it. */
  isAbandoned: boolean
  isDraining: boolean
}

/** A process that has a worker, had one, or will get one. */
interface Running {
  readonly pid: number
  readonly at: number
  /** NO_THREAD if it has had no worker. */
  threadId: number
  /** Undefined for a thread that was adopted, or has booted the machine. */
  worker: Worker | undefined
  link: MessagePort | undefined
  /** What it will be started with, while it waits for its turn. */
  order: Spawn | undefined
  /** What it held by then is back. */
  isReaped: boolean
  /** Its parent is gone: nobody will ask for its status. */
  isOrphan: boolean
  /** Its worker is gone. */
  status: HostStatus | undefined
  timer: NodeJS.Timeout | undefined
}

export class MachineSupervisor implements SupervisorExtension {
  readonly repairs: readonly KindRepair[]
  readonly #host: SupervisorHost
  readonly #machines = new Map<string, Machine>()
  readonly #spare = new Spare()
  readonly #starts = new OneATurn()

  constructor(host: SupervisorHost) {
    this.#host = host
    this.repairs = machineRepairs((attachment) => this.#machines.get(attachment.id)?.kernel)
  }

  readonly onMessage = (message: unknown): void => {
    const order = message as Order
    if (order.order === 'booted') {
      this.#onBooted(order)
      return
    }
    const machine = this.#machines.get(order.memory)
    if (machine === undefined) return
    if (order.order === 'spawn') this.#onSpawn(machine, order)
    else if (order.order === 'kill') this.#end(machine, machine.processes.get(order.pid))
    else this.#endAll(machine)
  }

  #onBooted({ memory, regionAt }: Booted): void {
    const attachment = this.#host.attachmentOf(memory)
    if (attachment === undefined) return
    this.#machines.set(memory, {
      memory,
      kernel: kernelOf(attachment, regionAt),
      processes: new Map(),
      isEnding: false,
      isAbandoned: false,
      isDraining: false,
    })
  }

  readonly onForgotten = (memory: string): void => {
    const machine = this.#machines.get(memory)
    this.#machines.delete(memory)
    this.#dismissSpare()
    for (const process of machine?.processes.values() ?? []) {
      clearTimeout(process.timer)
      process.order?.args.close()
      void process.worker?.terminate()
    }
  }

  // ── spawning and ending ─────────────────────────────────────────────────────────────────────────────────────────

  #onSpawn(machine: Machine, order: Spawn): void {
    const { kernel } = machine
    const { cpu, thread: self } = kernel.attachment
    const { pid, index } = order
    const at = processAt(kernel.processes, index)
    // From here on the EMBRYO is ours; unless its parent has died meanwhile, and it with it.
    if (!takeOver(cpu, at, pid, order.tid, self.tid)) {
      order.args.close()
      return
    }
    const isOrphan = !isProcessRunning(kernel, cpu.load(at + parent))
    // Whoever ends the machine has asked all others.
    if (machine.isEnding) cpu.compareExchange(at + asked, 0, SIGNALS.SIGKILL)
    const nobody = { threadId: NO_THREAD, worker: undefined, link: undefined }
    this.#track(machine, { pid, at, order, ...nobody, isOrphan })
    this.#starts.run(() => {
      this.#start(order.memory, pid)
    })
  }

  /** The turn of a process has come, if it still waits for one. */
  #start(memory: string, pid: number): void {
    const machine = this.#machines.get(memory)
    const process = machine?.processes.get(pid)
    const order = process?.order
    if (machine === undefined || process === undefined || order === undefined) return
    const { kernel } = machine
    const { cpu } = kernel.attachment
    const { at } = process
    if (cpu.load(at + asked) !== 0) {
      this.#neverStart(machine, process)
      return
    }
    try {
      const plan = planFor(kernel, order)
      const onEnd = (end: WorkerEnd) => {
        this.#onWorkerEnd(machine, pid, end)
      }
      const recruit = this.#spare.take(order, plan, onEnd) ?? hire(order, plan, onEnd)
      cpu.store(at + threadId, recruit.threadId)
      Object.assign(process, recruit)
      process.order = undefined
      this.#host.watch(recruit.threadId, recruit.link)
      this.#spare.prepare(order)
    } catch (error) {
      complainAtOnce(`pageframe: process ${pid} '${order.name}' could not be started: ${String(error)}`)
      this.#neverStart(machine, process)
    }
  }

  #neverStart(machine: Machine, process: Running): void {
    process.order?.args.close()
    process.order = undefined
    process.isReaped = true
    process.status = { exitCode: 1, isOutOfMemory: false }
    this.#settle(machine, process)
  }

  #track(machine: Machine, process: Omit<Running, 'isReaped' | 'status' | 'timer'>): Running {
    const tracked: Running = { ...process, isReaped: false, status: undefined, timer: undefined }
    machine.processes.set(process.pid, tracked)
    return tracked
  }

  /** It has been asked to end, by whoever ordered this. It may be idle, so it is told; and it has some time. */
  #end(machine: Machine, process: Running | undefined): void {
    if (process?.order !== undefined) this.#neverStart(machine, process)
    if (process?.worker === undefined || process.timer !== undefined) return
    process.link?.postMessage({ pageframe: 'asked' } satisfies Asked)
    process.timer = setTimeout(() => {
      void process.worker?.terminate()
    }, GRACE_MS)
  }

  /** It goes with the last machine. */
  #dismissSpare(): void {
    if ([...this.#machines.values()].every(({ isEnding }) => isEnding)) this.#spare.dismiss()
  }

  #endAll(machine: Machine): void {
    machine.isEnding = true
    this.#dismissSpare()
    const { cpu } = machine.kernel.attachment
    for (const process of [...machine.processes.values()]) {
      if (process.worker === undefined && process.order === undefined) continue
      cpu.compareExchange(process.at + asked, 0, SIGNALS.SIGKILL)
      cpu.add(process.at + TlbState.gen, 2)
      this.#end(machine, process)
    }
  }

  // ── deaths ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly mend = (attachment: Attachment, dead: number): void => {
    if (this.#machines.has(attachment.id)) linkRepair(attachment, dead)
  }

  readonly reap = (attachment: Attachment, dead: number): void => {
    const machine = this.#machines.get(attachment.id)
    if (machine === undefined) return
    const { kernel, processes } = machine
    const { cpu, thread: self } = attachment
    const exited = reapProcesses(kernel, dead)
    if (exited === undefined) return
    const { pid, at } = exited
    for (const orphan of orphanChildren(kernel, pid)) {
      const process = processes.get(orphan)
      if (process !== undefined) process.isOrphan = true
    }
    if (!processes.has(pid)) this.#trackForeign(machine, pid, at)
    cpu.store(at + thread, self.tid) // the next thread that has this tid is somebody else
  }

  /** A thread that others have started has died: they tell of its exit, if they can. */
  #trackForeign(machine: Machine, pid: number, at: number): void {
    const { kernel } = machine
    const { cpu } = kernel.attachment
    const isOrphan = !isProcessRunning(kernel, cpu.load(at + parent))
    const worker = {
      threadId: cpu.load(at + threadId),
      worker: undefined,
      link: undefined,
      order: undefined,
    }
    const process = this.#track(machine, { pid, at, ...worker, isOrphan })
    process.timer = setTimeout(() => {
      this.#onForeignExit(machine, process)
    }, FOREIGN_EXIT_MS)
    if (pid !== INIT_PID) return
    machine.isAbandoned = true
    this.#endAll(machine)
  }

  readonly onReaped = (attachment: Attachment, threadId: number): void => {
    const machine = this.#machines.get(attachment.id)
    if (machine === undefined) return
    for (const process of [...machine.processes.values()]) {
      if (process.threadId !== threadId) continue
      process.isReaped = true
      this.#settle(machine, process)
    }
    this.#drain(machine, DRAIN_MS)
  }

  readonly onExit = (threadId: number): void => {
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
    this.#settle(machine, process)
  }

  #onWorkerEnd(machine: Machine, pid: number, { code, error, isOutOfMemory }: WorkerEnd): void {
    const process = machine.processes.get(pid)
    if (process === undefined || this.#machines.get(machine.memory) !== machine) return
    if (error !== undefined) {
      const name = nameOfProcess(machine.kernel.attachment.cpu, process.at)
      complainAtOnce(`pageframe: process ${pid} '${name}' ended by an error that it did not catch:\n${error}`)
    }
    process.status = { exitCode: code, isOutOfMemory }
    clearTimeout(process.timer)
    this.#host.onDeath(process.threadId) // if its port has not said so before
    this.#settle(machine, process)
  }

  /** Everything of a process is back, and its worker is gone: its parent is told. */
  #settle(machine: Machine, process: Running): void {
    const { pid, at, status, isReaped, isOrphan, link } = process
    if (status === undefined || !isReaped || machine.processes.get(pid) !== process) return
    try {
      finishProcess(machine.kernel, at, pid, status, isOrphan)
    } catch (error) {
      if (!(error instanceof MustNotBlock)) throw error
      setTimeout(() => {
        this.#settle(machine, process)
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
    if (machine.isDraining || this.#machines.get(machine.memory) !== machine || isDrained(machine.kernel))
      return
    machine.isDraining = true
    setTimeout(() => {
      machine.isDraining = false
      this.#drain(machine, Math.min(2 * pauseMs, MOST_DRAIN_MS))
    }, pauseMs)
  }

  readonly check = (attachment: Attachment): Iterable<string> => {
    const kernel = this.#machines.get(attachment.id)?.kernel
    return kernel === undefined ? [] : machineProblems(kernel)
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

/** A worker for one process, that loads everything now. */
function hire(order: Spawn, plan: ProcessPlan, onEnd: (end: WorkerEnd) => void): Recruit {
  const { port1, port2 } = new MessageChannel()
  try {
    const data: ProcessData = { ...plan, link: port2 }
    const worker = startWorker({ ...order, data, ports: [port2, order.args] }, onEnd)
    const { threadId } = worker // Node forgets it when the worker ends
    return { worker, threadId, link: port1 }
  } catch (error) {
    port1.close()
    throw error
  }
}

function planFor({ attachment, headerAt }: MachineKernel, order: Spawn): ProcessPlan {
  const { id, name, backing } = attachment
  const { index, pid, entry, args } = order
  const offer: Offer = { id, name, backing }
  return {
    pageframe: 'process',
    supervisor: supervisorId,
    offer,
    regionAt: headerAt,
    index,
    pid,
    name: order.name,
    entry,
    args,
  }
}
