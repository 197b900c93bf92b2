/** What the supervisor of machines knows of them: each machine, and each process that it starts, ends or buries. */

import type { Worker } from '../host/spawning.ts'
import type { MessagePort } from '../host/workers.ts'
import type { MachineKernel } from './kernel-of.ts'
import type { Spawn } from './protocol.ts'
import type { HostStatus } from './reaper.ts'

export interface Machine {
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
export interface Running {
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

export const NO_THREAD = -1

export function newMachine(memory: string, kernel: MachineKernel): Machine {
  return {
    memory,
    kernel,
    processes: new Map(),
    isEnding: false,
    isAbandoned: false,
    isDraining: false,
  }
}

/** A process that has no worker of this supervisor's, or none yet. */
export function track(
  machine: Machine,
  process: Pick<Running, 'pid' | 'at' | 'threadId' | 'order' | 'isOrphan'>,
): Running {
  const tracked: Running = {
    ...process,
    worker: undefined,
    link: undefined,
    isReaped: false,
    status: undefined,
    timer: undefined,
  }
  machine.processes.set(process.pid, tracked)
  return tracked
}
