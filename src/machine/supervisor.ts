/**
 * What the supervisor of machines does: it spawns their processes, hears of their ends, and gives back what they held.
 *
 *   parent ── booted, spawn, kill, end ──► supervisor ── a process is started                      starts.ts
 *                                                     ── a process is asked to end, then ended     here
 *   its port closes, its worker is gone ─►            ── its remains go back, its parent is told   burials.ts
 *
 * An extension of the supervisor (memory/extension.ts), in its thread. It never blocks.
 */

import type { Attachment } from '../memory/attachment.ts'
import type { SupervisorExtension, SupervisorHost } from '../memory/extension.ts'
import type { KindRepair } from '../memory/reaper.ts'
import { linkRepair } from '../paging/link.ts'
import { TlbState } from '../paging/presence.ts'
import { Burials } from './burials.ts'
import { kernelOf } from './kernel-of.ts'
import { asked } from './process-table.ts'
import type { Asked, Booted, Order } from './protocol.ts'
import { INIT_PID } from './reaper.ts'
import { machineProblems, machineRepairs } from './repairs.ts'
import { newMachine, type Machine, type Running } from './running.ts'
import { SIGNALS } from './signals.ts'
import { Starts } from './starts.ts'

/** What a process that was asked to end has time for. */
const GRACE_MS = 100

export class MachineSupervisor implements SupervisorExtension {
  readonly repairs: readonly KindRepair[]
  readonly #host: SupervisorHost
  /** By memory. */
  readonly #machines = new Map<string, Machine>()
  readonly #burials: Burials
  readonly #starts: Starts

  constructor(host: SupervisorHost) {
    this.#host = host
    this.#burials = new Burials(host, this.#machines)
    this.#starts = new Starts(host, this.#machines, this.#burials)
    this.repairs = machineRepairs((attachment) => this.#machines.get(attachment.id)?.kernel)
  }

  // ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly onMessage = (message: unknown): void => {
    const order = message as Order
    if (order.order === 'booted') {
      this.#onBooted(order)
      return
    }
    const machine = this.#machines.get(order.memory)
    if (machine === undefined) return
    if (order.order === 'spawn') this.#starts.spawn(machine, order)
    else if (order.order === 'kill') this.#end(machine, machine.processes.get(order.pid))
    else this.#endAll(machine)
  }

  #onBooted({ memory, regionAt }: Booted): void {
    const attachment = this.#host.attachmentOf(memory)
    if (attachment !== undefined)
      this.#machines.set(memory, newMachine(memory, kernelOf(attachment, regionAt)))
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

  /** It has been asked to end, by whoever ordered this. It may be idle, so it is told; and it has some time. */
  #end(machine: Machine, process: Running | undefined): void {
    if (process?.order !== undefined) this.#starts.neverStart(machine, process)
    if (process?.worker === undefined || process.timer !== undefined) return
    process.link?.postMessage({ pageframe: 'asked' } satisfies Asked)
    process.timer = setTimeout(() => {
      void process.worker?.terminate()
    }, GRACE_MS)
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

  /** It goes with the last machine. */
  #dismissSpare(): void {
    if ([...this.#machines.values()].every(({ isEnding }) => isEnding)) this.#starts.dismissSpare()
  }

  // ── deaths ──────────────────────────────────────────────────────────────────────────────────────────────────────

  readonly mend = (attachment: Attachment, dead: number): void => {
    if (this.#machines.has(attachment.id)) linkRepair(attachment, dead)
  }

  readonly reap = (attachment: Attachment, dead: number): void => {
    const machine = this.#machines.get(attachment.id)
    const process = machine === undefined ? undefined : this.#burials.reap(machine, dead)
    if (machine === undefined || process?.pid !== INIT_PID) return
    machine.isAbandoned = true
    this.#endAll(machine)
  }

  readonly onReaped = (attachment: Attachment, threadId: number): void => {
    this.#burials.onReaped(attachment, threadId)
  }

  readonly onExit = (threadId: number): void => {
    this.#burials.onExit(threadId)
  }

  readonly check = (attachment: Attachment): Iterable<string> => {
    const kernel = this.#machines.get(attachment.id)?.kernel
    return kernel === undefined ? [] : machineProblems(kernel)
  }
}
