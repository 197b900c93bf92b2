/**
 * Adoption: a worker that somebody else has started becomes a process.
 *
 *   parent                                      worker, which has imported pageframe/machine
 *     │ slot FREE ─► EMBRYO                        │
 *     │── Become (by way of the main thread) ─────►│ attaches to the machine's memory, EMBRYO ─► RUNNING
 *     │ looks until it is RUNNING                  │ from here on current() is that process; run() goes on
 *
 * The supervisor hears of its death by the port that every thread has; of its exit from the thread that started it.
 */

import { now } from '../host/clock.ts'
import { isMainThread, onThreadMessage, postToThread, warn, type Worker } from '../host/workers.ts'
import { attachmentById } from '../memory/inventory.ts'
import { isProtocol } from '../memory/protocol.ts'
import { processAt } from '../paging/processes.ts'
import { EAGAIN, EBUSY, ECANCELED, ErrnoError } from '../words/errno.ts'
import { assertFunction, typeError, usageError } from '../words/usage.ts'
import { takeFromPort } from '../host/spawning.ts'
import { here } from './current.ts'
import { Child } from './child.ts'
import type { MachineKernel } from './kernel-of.ts'
import { EMBRYO, EXITED, RUNNING, ZOMBIE } from './process-slot.ts'
import { asked, isProcessIn, setExitCode, slotsInUse, threadId as slotThreadId } from './process-table.ts'
import type { Become } from './protocol.ts'
import type { Process } from './process.ts'
import { dropEmbryo, makeEmbryo, portWith } from './spawn.ts'
import { become, runMain, type Entry, type Place } from './start.ts'
import { keepChild } from './this-thread.ts'

const LOOK_EVERY_MS = 2
const KNOCK_EVERY_MS = 20
const PATIENCE_MS = 5000
const GRACE_MS = 100

/** What an order fails with whose sender has given up, or whose machine is gone. */
const GIVEN_UP = ['ECANCELED', 'ESTALE', 'ERR_PAGEFRAME_NO_MEMORY']

const BEGUN = [RUNNING, EXITED, ZOMBIE]

/** By what it can do: a test runner's context has classes of its own. */
export function assertWorker(call: string, argument: string, worker: unknown): asserts worker is Worker {
  const { threadId, prependOnceListener, terminate } = (worker ?? {}) as Partial<Worker>
  if (
    typeof threadId === 'number' &&
    typeof prependOnceListener === 'function' &&
    typeof terminate === 'function'
  )
    return
  throw typeError(call, argument, 'a Worker', worker)
}

export interface Adoption {
  readonly name: string
  /** A copy: it is cloned several times, and nothing of the caller's shall run then. */
  readonly args: unknown
  /** The machine ends: nobody is adopted any more. */
  readonly isEnding: () => boolean
}

/**
 * Makes a worker a process. EBUSY if it is one of this machine already; EAGAIN if it has not answered within 5 s: then it has
 * not imported pageframe/machine, or is a process of another machine.
 */
export async function adoptWorker(
  kernel: MachineKernel,
  parent: number,
  worker: Worker,
  { name, args, isEnding }: Adoption,
): Promise<Child> {
  const { threadId } = worker
  if (threadId < 0) throw new ErrnoError(ECANCELED, 'adopt', 'adopt(): this worker has ended')
  const { attachment, headerAt } = kernel
  const { cpu } = attachment
  const already = processOf(kernel, threadId)
  if (already !== undefined) {
    throw new ErrnoError(EBUSY, 'adopt', `adopt(): this worker is process ${already} already`)
  }
  const { index, pid } = makeEmbryo(kernel, parent, name)
  const at = processAt(kernel.processes, index)
  const child = new Child(kernel, index, () => {
    setTimeout(() => void worker.terminate(), GRACE_MS).unref()
  })
  // Before the supervisor is told that it has exited, which the first listener does.
  worker.prependOnceListener('exit', (code) => {
    const wasNone = dropEmbryo(kernel, index, pid)
    // What was asked to end has the signal for its status, and no code.
    if (!wasNone && cpu.load(at + asked) === 0) setExitCode(cpu, at, code & 0xff)
  })

  const giveUp = (error: unknown): never => {
    child.forget()
    throw error
  }
  const deadline = now() + PATIENCE_MS
  for (let knockAt = 0; isProcessIn(cpu, at, pid, EMBRYO);) {
    if (isEnding() && dropEmbryo(kernel, index, pid)) giveUp(tooLate())
    if (now() > deadline && dropEmbryo(kernel, index, pid)) giveUp(unanswered(worker.threadId < 0))
    if (now() >= knockAt) {
      knockAt = now() + KNOCK_EVERY_MS
      const port = portWith(args)
      const message: Become = {
        pageframe: 'become',
        memory: attachment.id,
        regionAt: headerAt,
        index,
        pid,
        args: port,
      }
      postToThread(threadId, message, [port])
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
  }
  // It may have ended meanwhile. But an EMBRYO whose worker has exited is no process.
  const hasBegun = child.status !== undefined || BEGUN.some((state) => isProcessIn(cpu, at, pid, state))
  if (!hasBegun) {
    giveUp(unanswered(true))
  }
  if (isEnding()) {
    child.kill('SIGKILL')
    throw tooLate()
  }
  return keepChild(attachment.id, child)
}

/** The pid of the process that a worker runs, or undefined. */
function processOf({ attachment, processes }: MachineKernel, threadId: number): number | undefined {
  for (const { at, pid, state } of slotsInUse(attachment.cpu, processes)) {
    if (state === RUNNING && attachment.cpu.load(at + slotThreadId) === threadId) return pid
  }
  return undefined
}

function tooLate(): ErrnoError {
  return new ErrnoError(ECANCELED, 'adopt', 'adopt(): this machine has been disposed meanwhile')
}

function unanswered(hasEnded: boolean): ErrnoError {
  return hasEnded
    ? new ErrnoError(ECANCELED, 'adopt', 'adopt(): the worker has ended')
    : new ErrnoError(
        EAGAIN,
        'adopt',
        `adopt(): the worker has not answered within ${PATIENCE_MS / 1000} s: it must import 'pageframe/machine', its ` +
          `event loop must run, and it must not be a process of another machine`,
      )
}

// ── the worker ────────────────────────────────────────────────────────────────────────────────────────────────────

/** What run() gets, once this thread is a process. */
interface Adopted {
  readonly self: Process
  readonly args: unknown
}

let adopted: Adopted | undefined
let onAdopted: ((adopted: Adopted) => void) | undefined
/** run() was called. */
let hasProgram = false

/** On import, in every thread but the main one: it may be adopted. */
export function awaitAdoption(): void {
  if (isMainThread) return
  onThreadMessage((message) => {
    if (!isProtocol(message, 'become')) return
    const { memory, args, ...place } = message as Become
    const self = here.process === undefined ? tryBecome(memory, place) : undefined
    if (self === undefined) {
      args?.close() // the message before this one came through, or whoever sent it has given up
      return
    }
    adopted = { self, args: args === undefined ? undefined : takeFromPort(args) }
    args?.close()
    onAdopted?.(adopted)
  })
}

/** An order that cannot be followed ends with whoever gave it: this thread goes on. */
function tryBecome(memory: string, place: Place): Process | undefined {
  try {
    return become(attachmentById(memory), place)
  } catch (error) {
    const { code, message } = error as { code: string; message: string }
    if (!GIVEN_UP.includes(code)) warn(`this thread was not adopted: ${message}`)
    return undefined
  }
}

/**
 * The program of a process, in a worker that your own code starts: for bundlers, that must see each `new Worker()`. Waits
 * until this thread is adopted, then calls main(self, args), as spawn() does with a module's default export. Throws
 * ERR_PAGEFRAME_NOT_ADOPTABLE in the main thread, in a process that was spawned, and when it was called before.
 */
export async function run<A>(main: Entry<A>): Promise<never> {
  assertFunction('run()', 'main', main)
  if (isMainThread || (here.process !== undefined && adopted === undefined)) {
    const what = isMainThread
      ? 'the main thread'
      : 'a process that was spawned: export its program as default'
    throw usageError(
      'ERR_PAGEFRAME_NOT_ADOPTABLE',
      `run(): only a worker that others start can be adopted, and this is ${what}`,
    )
  }
  if (hasProgram) {
    throw usageError(
      'ERR_PAGEFRAME_NOT_ADOPTABLE',
      'run(): this thread has one program, and it was given already',
    )
  }
  hasProgram = true
  const hold = setInterval(() => undefined, 2 ** 30)
  const { self, args } = adopted ?? (await new Promise<Adopted>((resolve) => (onAdopted = resolve)))
  clearInterval(hold)
  return runMain(self, main, args)
}
