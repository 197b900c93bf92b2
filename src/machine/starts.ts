/**
 * Starts: from a parent's order to a process that runs.
 *
 *   Spawn ─► EMBRYO taken over ─► waits for its turn (one-a-turn.ts) ─► new Worker, or the spare (spare.ts)
 *                                   └► asked to end meanwhile, or it cannot be started: it never starts, and is settled
 *
 * The supervisor listens to a process's private port from its first moment: nothing depends on the event loop of the main
 * thread, which may be blocked in child.wait() already.
 */

import { complainAtOnce, startWorker, type WorkerEnd } from '../host/spawning.ts'
import { MessageChannel, threadId as supervisorId } from '../host/workers.ts'
import type { SupervisorHost } from '../memory/extension.ts'
import type { Offer } from '../memory/protocol.ts'
import { Superblock } from '../memory/superblock.ts'
import { processAt } from '../paging/processes.ts'
import type { Burials } from './burials.ts'
import type { MachineKernel } from './kernel-of.ts'
import { OneATurn } from './one-a-turn.ts'
import { asked, isProcessRunning, parent, takeOver, threadId } from './process-table.ts'
import type { ProcessData, ProcessPlan, Spawn } from './protocol.ts'
import { NO_THREAD, track, type Machine, type Running } from './running.ts'
import { SIGNALS } from './signals.ts'
import { Spare, type Recruit } from './spare.ts'

export class Starts {
  readonly #host: SupervisorHost
  readonly #machines: ReadonlyMap<string, Machine>
  readonly #burials: Burials
  readonly #spare = new Spare()
  readonly #turns = new OneATurn()

  /** `machines`: those there are. */
  constructor(host: SupervisorHost, machines: ReadonlyMap<string, Machine>, burials: Burials) {
    this.#host = host
    this.#machines = machines
    this.#burials = burials
  }

  /** Carries an order out when its turn comes. */
  spawn(machine: Machine, order: Spawn): void {
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
    const process = track(machine, { pid, at, threadId: NO_THREAD, order, isOrphan })
    this.#turns.run(() => {
      if (this.#machines.get(order.memory) === machine) this.#start(machine, process)
    })
  }

  /** The turn of a process has come, if it still waits for one. */
  #start(machine: Machine, process: Running): void {
    const { kernel } = machine
    const { cpu } = kernel.attachment
    const { pid, at, order } = process
    if (order === undefined) return
    if (cpu.load(at + asked) !== 0) {
      this.neverStart(machine, process)
      return
    }
    // It goes on: who waits to be let in may wait longer. Where a hundred threads want two cores, to start one takes it long.
    cpu.add(Superblock.signsOfSupervisor, 1)
    try {
      const plan = planFor(kernel, order)
      const onEnd = (end: WorkerEnd) => {
        this.#burials.onWorkerEnd(machine, pid, end)
      }
      const recruit = this.#spare.take(order, plan, onEnd) ?? hire(order, plan, onEnd)
      cpu.store(at + threadId, recruit.threadId)
      Object.assign(process, recruit)
      process.order = undefined
      this.#host.watch(recruit.threadId, recruit.link)
      this.#spare.prepare(order)
    } catch (error) {
      complainAtOnce(`pageframe: process ${pid} '${order.name}' could not be started: ${String(error)}`)
      this.neverStart(machine, process)
    }
  }

  /** A process that waits for its turn gets no worker. */
  neverStart(machine: Machine, process: Running): void {
    process.order?.args.close()
    process.order = undefined
    process.isReaped = true
    process.status = { exitCode: 1, isOutOfMemory: false }
    this.#burials.settle(machine, process)
  }

  /** Nobody will spawn any more. */
  dismissSpare(): void {
    this.#spare.dismiss()
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
