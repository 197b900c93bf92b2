/**
 * How a process begins, in its worker: dist/process.js imports this for its effect.
 *
 *   startedWith()   the port to the supervisor, the machine's memory, the slot
 *   attach          the supervisor lets this thread run, as it does everybody
 *   bind            EMBRYO ─► RUNNING: from here on current() is this process
 *   import(entry)   the module's default export is the program
 *   main(self, args)    what it returns is the status; what it throws ends the process with status 1
 *
 * A spare (spare.ts has its states) comes here before anybody has ordered a process: it says that it is ready, and waits for
 * Begin. Then it takes over what a worker is born with and can still change, its environment and its workerData, and goes
 * on as above, in the same turn of its event loop. Nothing of a user has run by then, and no memory was attached.
 */

import {
  callThisThread,
  importModule,
  restart,
  runThread,
  setEnvironment,
  shownFile,
  startedWith,
  takeFromPort,
} from '../host/spawning.ts'
import { nameThisThread, threadId, type MessagePort } from '../host/workers.ts'
import type { Attachment } from '../memory/attachment.ts'
import { enterSpawned } from '../memory/inventory.ts'
import { isProtocol } from '../memory/protocol.ts'
import { processAt } from '../paging/processes.ts'
import { ECANCELED, ErrnoError } from '../words/errno.ts'
import { typeError, usageError } from '../words/usage.ts'
import { here } from './current.ts'
import { Process } from './process.ts'
import { bindSlot } from './process-table.ts'
import type { Begin, ProcessData, Ready, SpareData } from './protocol.ts'
import { kernelIn } from './this-thread.ts'

/** A module's default export: the program of a process, like C's main. */
export type Entry<A = never> = (self: Process, args: A) => Status | Promise<Status>

/** The exit status of a program; nothing is 0. */
// eslint-disable-next-line @typescript-eslint/no-invalid-void-type -- what a function without a return statement returns
type Status = number | void

/** Runs the process that this thread was started for, at once or when it is ordered. */
export function startProcess(): void {
  const data = startedWith() as ProcessData | SpareData
  if (data.pageframe === 'spare') awaitOrder(data)
  else runThread(() => runProcess(data))
}

function awaitOrder({ link }: SpareData): void {
  const onMessage = (message: unknown) => {
    if (!isProtocol(message, 'begin')) return
    link.off('message', onMessage)
    const { plan, env } = message as Begin
    setEnvironment(env)
    runThread(() => runProcess(restart<ProcessData>({ ...plan, link })))
  }
  link.on('message', onMessage) // which keeps this thread alive
  link.postMessage({ pageframe: 'ready' } satisfies Ready)
}

async function runProcess(data: ProcessData): Promise<void> {
  // Is read meanwhile, and runs when this thread is the process.
  const loading = importModule(data.entry)
  nameThisThread(data.name)
  const attachment = enterSpawned(data.supervisor, data.link, data.offer)
  const self = become(attachment, data)
  listen(self, data.link)
  callThisThread(shownFile(data.entry))
  const main = programIn(await loading, data.entry)
  await runMain(self, main, takeFromPort(data.args))
}

export interface Place {
  readonly regionAt: number
  readonly index: number
  readonly pid: number
}

/** This thread becomes the process of a slot. ECANCELED if that is an EMBRYO no more. */
export function become(attachment: Attachment, { regionAt, index, pid }: Place): Process {
  const kernel = kernelIn(attachment, regionAt)
  const at = processAt(kernel.processes, index)
  if (!bindSlot(attachment.cpu, at, pid, attachment.thread.tid, threadId)) {
    throw new ErrnoError(ECANCELED, 'spawn', `process ${pid} is not wanted any more`)
  }
  const self = new Process(kernel, index)
  here.process = self
  self.onAsked() // before there was anybody to hear it
  return self
}

/** Does what main() returns with, as a status. */
export async function runMain(self: Process, main: Entry, args: unknown): Promise<never> {
  const result: unknown = await main(self, args as never)
  if (result !== undefined && typeof result !== 'number') {
    throw typeError('main()', 'what it returns', 'a number, the exit status, or nothing', result)
  }
  return self.exit(result ?? 0)
}

/** The supervisor knocks: somebody has asked this process to end, and it may be idle. */
function listen(self: Process, link: MessagePort): void {
  link.on('message', (message: unknown) => {
    if (isProtocol(message, 'asked')) self.onAsked()
  })
  link.unref()
}

/** The default export; of what TypeScript makes into CommonJS, the one inside. */
function programIn(module: { readonly default?: unknown }, url: string): Entry {
  const { default: exported } = module
  const inner = (exported as { readonly default?: unknown } | null | undefined)?.default
  const main = typeof exported === 'function' ? exported : inner
  if (typeof main === 'function') return main as Entry
  throw usageError(
    'ERR_PAGEFRAME_NO_MAIN',
    `${shownFile(url)} has no program: its default export must be a function main(self, args), and is ` +
      (exported === undefined ? 'missing' : `of type ${typeof exported}`),
  )
}
