/**
 * Spawning: how a worker that runs a process is started and ended, by its supervisor; and what it inherits from the thread
 * that asked for it.
 */

import { writeSync } from 'node:fs'
import { receiveMessageOnPort, Worker, workerData, type MessagePort } from 'node:worker_threads'

const { process } = globalThis

export type { Worker }

/** What Node lets a worker have, in MiB. */
export interface ResourceLimits {
  maxYoungGenerationSizeMb?: number
  maxOldGenerationSizeMb?: number
  codeRangeSizeMb?: number
  stackSizeMb?: number
}

/** What a worker takes over from the thread that spawns it, as it is by then. */
export interface Inheritance {
  readonly env: Readonly<Record<string, string>>
  readonly execArgv: readonly string[]
}

export function inheritance(): Inheritance {
  return { env: { ...process.env } as Record<string, string>, execArgv: process.execArgv }
}

export interface WorkerPlan extends Inheritance {
  readonly script: string
  readonly name: string
  readonly resourceLimits: ResourceLimits | undefined
  readonly data: unknown
  readonly ports: readonly MessagePort[]
}

export interface WorkerEnd {
  readonly code: number
  /** What it did not catch, as text. */
  readonly error: string | undefined
  /** Its heap was full. */
  readonly isOutOfMemory: boolean
}

/** Starts a worker. `onEnd` is called once, when it and all that it was in the middle of are gone. */
export function startWorker(plan: WorkerPlan, onEnd: (end: WorkerEnd) => void): Worker {
  const worker = construct(plan, plan.execArgv)
  let error: string | undefined
  let isOutOfMemory = false
  worker.on('error', (thrown: unknown) => {
    error = textOf(thrown)
    isOutOfMemory = (thrown as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY'
  })
  worker.once('exit', (code) => {
    onEnd({ code, error, isOutOfMemory })
  })
  return worker
}

/** Node refuses flags that concern the whole process: a worker goes without them, as one that inherits does. */
function construct(plan: WorkerPlan, execArgv: readonly string[]): Worker {
  try {
    return new Worker(new URL(plan.script), {
      name: plan.name,
      workerData: plan.data,
      transferList: [...plan.ports],
      env: plan.env,
      execArgv: [...execArgv],
      ...(plan.resourceLimits === undefined ? {} : { resourceLimits: plan.resourceLimits }),
    })
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (code !== 'ERR_WORKER_INVALID_EXEC_ARGV') throw error
    const allowed = execArgv.filter((flag) => !message.includes(flag.split('=')[0]))
    if (allowed.length === execArgv.length) throw error
    return construct(plan, allowed)
  }
}

function textOf(thrown: unknown): string {
  const { stack } = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as { stack?: unknown }
  return typeof stack === 'string' ? stack : String(thrown)
}

/** Writes a line to stderr at once, past the event loop of the main thread, which may be blocked. */
export function complainAtOnce(line: string): void {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // Nobody reads it.
  }
}

/** What the worker that this thread is was started with. */
export function startedWith(): unknown {
  return workerData
}

/** What waits in a port, or undefined. */
export function takeFromPort(port: MessagePort): unknown {
  return (receiveMessageOnPort(port) as { message: unknown } | undefined)?.message
}

/** What the worker that this thread is was started with becomes something else: the same object, whoever has it. */
export function restart<T extends object>(data: T): T {
  return Object.assign(workerData as T, data)
}

/** This worker has exactly these environment variables from now on; its `process.env` is a copy of its own. */
export function setEnvironment(env: Inheritance['env']): void {
  for (const key of Object.keys(process.env))
    if (!Object.hasOwn(env, key)) Reflect.deleteProperty(process.env, key)
  Object.assign(process.env, env)
}

/** What Node ends a program with whose `await` at the top was never answered, when its event loop has run dry. */
const UNSETTLED = 13

/**
 * Runs a program as if this thread's file awaited it at its top, without making everybody who imports that file wait:
 * what it throws ends the thread, and so does that nothing is left to answer what it waits for.
 */
export function runThread(program: () => Promise<unknown>): void {
  const onDry = () => {
    process.exitCode ??= UNSETTLED
  }
  process.on('beforeExit', onDry) // and not when it exits, which it may do by a call that gives no code
  program().then(
    () => process.off('beforeExit', onDry),
    (error: unknown) => {
      process.off('beforeExit', onDry)
      // Not as a rejection: what Node makes of one is for the user's flags to say.
      queueMicrotask(() => {
        throw error
      })
    },
  )
}

/** Ends this thread; the main thread's end is the whole process's. */
export function endThread(code: number): never {
  return process.exit(code)
}

/** What `process.argv` of this thread is from now on: as if Node had been started with that file. */
export function callThisThread(file: string): void {
  process.argv = [process.argv[0], file]
}

/** Imports a module by its URL, at run time. */
export async function importModule(url: string): Promise<{ readonly default?: unknown }> {
  return (await import(url)) as { readonly default?: unknown }
}

/** The URL of a file by its URL or path; of a module that is no file, the same. Undefined if that file is not there. */
export function moduleUrl(entry: string, isUrl: boolean): string | undefined {
  const { pathToFileURL, fileURLToPath } = process.getBuiltinModule('node:url')
  const url = isUrl ? new URL(entry) : pathToFileURL(entry)
  if (url.protocol !== 'file:') return url.href
  return process.getBuiltinModule('node:fs').existsSync(fileURLToPath(url)) ? url.href : undefined
}

/** The path of a file by its URL, for people. */
export function shownFile(url: string): string {
  if (!url.startsWith('file:')) return url
  if (process.platform === 'win32') return process.getBuiltinModule('node:url').fileURLToPath(url)
  return decodeURIComponent(new URL(url).pathname) // each process asks: node:url would be two modules more to load
}
