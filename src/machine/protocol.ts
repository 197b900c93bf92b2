/**
 * What the processes of a machine say to its supervisor, and it to them. Control only, never data.
 *
 *   booter ──► supervisor    Booted     "there is a machine in that memory"
 *   parent ──► supervisor    Spawn      the order for a worker: the slot is claimed, its space is made
 *   parent ──► supervisor    Kill       after the target was asked; the supervisor ends it 100 ms later
 *   booter ──► supervisor    End        every process of the machine
 *   supervisor ──► process   Asked      by its private port: it may be idle in its event loop
 *   spare ──► supervisor     Ready      by its private port, like the two that follow: it has loaded all it can (spare.ts)
 *   supervisor ──► spare     Alive      nothing: that it can be posted says that somebody is there
 *   supervisor ──► spare     Begin      it is a process from now on
 */

import type { Inheritance, ResourceLimits } from '../host/spawning.ts'
import type { MessagePort } from '../host/workers.ts'
import { LimboBatch } from '../paging/batch.ts'
import { PinRecord } from '../paging/pins.ts'
import { Vma } from '../space/vma.ts'
import { ShmObject } from '../storage/shm-object.ts'
import type { Offer } from '../memory/protocol.ts'
import { combine } from '../words/layout.ts'
import { MachineHeader, ProcessSlot } from './process-slot.ts'
import { ProcessObject } from './sync/object.ts'
import { RawCondition } from '../sync/condition.ts'
import { RawRwLock } from '../sync/rwlock-word.ts'

/** Everything above `memory` that two copies of pageframe must agree on to share a machine. */
export const SIGNATURE = combine(
  MachineHeader,
  ProcessSlot,
  Vma,
  ShmObject,
  LimboBatch,
  PinRecord,
  ProcessObject,
  RawCondition,
  RawRwLock,
)

export interface Booted {
  readonly order: 'booted'
  readonly memory: string
  readonly regionAt: number
}

export interface Spawn extends Inheritance {
  readonly order: 'spawn'
  readonly memory: string
  readonly index: number
  readonly pid: number
  /** The thread that orders: if it dies before the supervisor reads this, the order is void. */
  readonly tid: number
  /** What the worker runs, and the module whose default export is the program. */
  readonly script: string
  readonly entry: string
  readonly name: string
  readonly resourceLimits: ResourceLimits | undefined
  /** The arguments lie in it. */
  readonly args: MessagePort
}

export interface Kill {
  readonly order: 'kill'
  readonly memory: string
  readonly pid: number
}

export interface End {
  readonly order: 'end'
  readonly memory: string
}

export type Order = Booted | Spawn | Kill | End

export interface Asked {
  readonly pageframe: 'asked'
}

/** What a process's worker is started with. */
export interface ProcessData extends ProcessPlan {
  /** The private port: it comes with the worker, and that it closes is how the supervisor hears of its death. */
  readonly link: MessagePort
}

export interface ProcessPlan {
  readonly pageframe: 'process'
  readonly supervisor: number
  readonly offer: Offer
  readonly regionAt: number
  readonly index: number
  readonly pid: number
  readonly name: string
  readonly entry: string
  readonly args: MessagePort
}

/** What a spare worker is started with. No key that ProcessData has not: it becomes that. */
export interface SpareData {
  readonly pageframe: 'spare'
  readonly link: MessagePort
}

export interface Ready {
  readonly pageframe: 'ready'
}

export interface Begin {
  readonly pageframe: 'begin'
  readonly plan: ProcessPlan
  readonly env: Inheritance['env']
}

/** What a worker that is to be adopted gets, by way of the main thread. */
export interface Become {
  readonly pageframe: 'become'
  readonly memory: string
  readonly regionAt: number
  readonly index: number
  readonly pid: number
  readonly args: MessagePort | undefined
}
