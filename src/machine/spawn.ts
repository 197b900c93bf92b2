/**
 * spawn(): a process of its own for a module.
 *
 *   parent                                                    supervisor                 worker
 *     │ args into a port: what cannot be cloned fails here        │
 *     │ slot FREE ─► EMBRYO, its space is laid out                │
 *     │── Spawn ─────────────────────────────────────────────────►│── new Worker ────────►│ start.ts
 *     │ the Child, at once                                        │   (or the spare's     │ EMBRYO ─► RUNNING
 *     │                                                           │    order: spare.ts)   │
 *
 * Nothing of this waits, so the parent may go on to block in child.wait(). If the parent dies before the supervisor has read
 * the order, the reaper unmakes the EMBRYO, and the order is void.
 */

import { url as script } from 'virtual:entry-file/process'
import { inheritance, moduleUrl, takeFromPort, type ResourceLimits } from '../host/spawning.ts'
import { MessageChannel, type MessagePort } from '../host/workers.ts'
import { tellExtension } from '../memory/inventory.ts'
import { processAt } from '../paging/processes.ts'
import { Areas } from '../space/areas.ts'
import { EAGAIN, ENOENT, ErrnoError } from '../words/errno.ts'
import { assertOptions, isSignal, typeError, usageError } from '../words/usage.ts'
import { Child } from './child.ts'
import type { MachineKernel } from './kernel-of.ts'
import { EMBRYO, MachineHeader } from './process-slot.ts'
import { claimSlot, freeSlot, pidIn, state } from './process-table.ts'
import { SIGNATURE, type Kill, type Spawn } from './protocol.ts'
import { childrenIn, keepChild } from './this-thread.ts'

/** What a process starts with: its module's default export is called like C's main(). */
export interface SpawnOptions<A = unknown> {
  /** What main() gets, by structured cloning. */
  args?: A
  /** As people see it; the name of the module's file if absent. */
  name?: string
  /** As Node's, in MiB. */
  resourceLimits?: ResourceLimits
  /** Aborting it sends SIGTERM. */
  signal?: AbortSignal
}

/** Starts a process whose parent runs in this thread. See Machine.spawn(). */
export function spawn(
  kernel: MachineKernel,
  parent: number,
  entry: URL | string,
  options: SpawnOptions,
): Child {
  kernel.attachment.assertSound()
  assertOptions('spawn()', options)
  const { args, name, resourceLimits, signal } = options
  const url = entryUrl(entry)
  const label = labelOf(name, url)
  const limits = limitsIn(resourceLimits)
  assertSignal(signal)
  if (script === undefined) {
    throw usageError(
      'ERR_PAGEFRAME_NO_WORKER_FILE',
      'spawn(): this bundle does not say where it lies: boot the machine with { worker: (entry) => new Worker(...) }',
    )
  }

  const ports = portWith(args)
  let made: { index: number; pid: number } | undefined
  try {
    const { index, pid } = (made = makeEmbryo(kernel, parent, label))
    const order: Spawn = {
      order: 'spawn',
      memory: kernel.attachment.id,
      index,
      pid,
      tid: kernel.attachment.thread.tid,
      script: script.href,
      entry: url,
      name: label,
      resourceLimits: limits,
      args: ports,
      ...inheritance(),
    }
    tellExtension(SIGNATURE, order, [ports])
    made = undefined
    const child = new Child(kernel, index, (which) => {
      tellExtension(SIGNATURE, { order: 'kill', memory: kernel.attachment.id, pid: which } satisfies Kill, [])
    })
    return heed(keepChild(kernel.attachment.id, child), signal)
  } catch (error) {
    if (made !== undefined) dropEmbryo(kernel, made.index, made.pid) // nobody has heard of it
    ports.close()
    throw error
  }
}

/** What people call a process: the name that it was given, or its module's file. */
export function labelOf(name: unknown, url: string): string {
  const label = name ?? fileName(url)
  if (typeof label !== 'string') throw typeError('spawn()', 'name', 'a string', label)
  return label
}

const LIMITS = [
  'maxYoungGenerationSizeMb',
  'maxOldGenerationSizeMb',
  'codeRangeSizeMb',
  'stackSizeMb',
] as const satisfies readonly (keyof ResourceLimits)[]

/** Node's limits, each read once; it would ignore one that is no number. */
function limitsIn(given: ResourceLimits | undefined): ResourceLimits | undefined {
  if (given === undefined) return undefined
  if (typeof given !== 'object' || (given as object | null) === null)
    throw typeError('spawn()', 'resourceLimits', 'an object', given)
  const limits: ResourceLimits = {}
  for (const name of LIMITS) {
    const value: unknown = given[name]
    if (value === undefined) continue
    if (typeof value !== 'number') throw typeError('spawn()', `resourceLimits.${name}`, 'a number', value)
    limits[name] = value
  }
  return limits
}

/** Throws its reason if it is aborted already. */
export function assertSignal(signal: unknown): void {
  if (signal === undefined) return
  if (!isSignal(signal)) throw typeError('spawn()', 'signal', 'an AbortSignal', signal)
  signal.throwIfAborted()
}

/** Gives up an EMBRYO that has begun nothing. False if it is none any more. */
export function dropEmbryo({ attachment, processes }: MachineKernel, index: number, pid: number): boolean {
  return freeSlot(attachment.cpu, processAt(processes, index), pid, EMBRYO)
}

/** A slot, and an empty space. */
export function makeEmbryo(
  kernel: MachineKernel,
  parent: number,
  name: string,
): { index: number; pid: number } {
  const { attachment, headerAt, processes } = kernel
  const { cpu, thread } = attachment
  const claim = { table: processes, headerAt, tid: thread.tid, parent, name }
  let index = claimSlot(cpu, claim)
  if (index < 0 && recycle(attachment.id)) index = claimSlot(cpu, claim)
  if (index < 0) {
    throw new ErrnoError(
      EAGAIN,
      'spawn',
      `spawn(): all ${processes.count} processes that a machine can have are there; wait for some to end`,
    )
  }
  const at = processAt(processes, index)
  const pid = pidIn(cpu.load(at + state))
  const seed = cpu.load(headerAt + MachineHeader.seed)
  try {
    // Golden ratio: neighbours get places far apart.
    Areas.format(kernel, at, { seed: (seed + Math.imul(pid, 0x9e3779b1)) | 0, randomize: seed !== -1 })
  } catch (error) {
    freeSlot(cpu, at, pid, EMBRYO)
    throw error
  }
  return { index, pid }
}

/** The table is full: children that have ended, and nobody has asked yet how, keep their status here instead of there. */
function recycle(memory: string): boolean {
  let found = false
  for (const child of [...childrenIn(memory)]) if (child.status !== undefined) found = true
  return found
}

/** A signal that is aborted ends a child. */
export function heed(child: Child, signal: AbortSignal | undefined): Child {
  if (signal === undefined) return child
  const onAbort = () => {
    child.kill()
  }
  if (signal.aborted) onAbort() // while it was being made
  signal.addEventListener('abort', onAbort, { once: true })
  child.onEnd(() => {
    signal.removeEventListener('abort', onAbort)
  })
  return child
}

/** A port in which a message waits for whoever gets it. Throws a DataCloneError for what cannot be cloned. */
export function portWith(message: unknown): MessagePort {
  const { port1, port2 } = new MessageChannel()
  try {
    port1.postMessage(message)
  } catch (error) {
    port2.close()
    throw error
  } finally {
    port1.close()
  }
  return port2
}

/** What a worker would get of a value. Throws a DataCloneError for what cannot be cloned. */
export function cloned(value: unknown): unknown {
  const port = portWith(value)
  const copy = takeFromPort(port)
  port.close()
  return copy
}

/** The URL of an entry: a URL, a path, or the text of a URL. ENOENT if it is a file that is not there. */
export function entryUrl(entry: unknown): string {
  const isUrl = Object.prototype.toString.call(entry) === '[object URL]'
  const text = isUrl ? (entry as URL).href : entry
  if (typeof text !== 'string') throw typeError('spawn()', 'entry', 'a URL or a path', entry)
  const found = moduleUrl(text, isUrl || /^[a-z][a-z+.-]+:/i.test(text))
  if (found === undefined) throw new ErrnoError(ENOENT, 'spawn', `spawn(): there is no file ${text}`)
  return found
}

function fileName(url: string): string {
  return url.startsWith('data:') ? 'data:' : (/([^/?#]*)(?:[?#].*)?$/.exec(url)?.[1] ?? url)
}
