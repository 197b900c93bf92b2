/**
 * Workers: what the host knows of threads. Starting them, hearing of them, sending between them.
 */

import { subscribe } from 'node:diagnostics_channel'
import * as workerThreads from 'node:worker_threads'
import {
  BroadcastChannel,
  getEnvironmentData,
  isMainThread,
  MessageChannel,
  postMessageToThread,
  receiveMessageOnPort,
  setEnvironmentData,
  threadId,
  Worker,
  type MessagePort,
  type Transferable,
} from 'node:worker_threads'

export {
  getEnvironmentData,
  isMainThread,
  MessageChannel,
  receiveMessageOnPort,
  setEnvironmentData,
  threadId,
  Worker,
}
export type { MessagePort, Transferable }

/**
 * The global, and not `import process from 'node:process'`: that import asks for each of its properties, and some of them
 * cost a worker a millisecond.
 */
const { process } = globalThis

/** How many threads this machine runs at once. The first thread counts; the others inherit it, and need not load node:os. */
export const cores = countCores('pageframe.cores')

function countCores(key: string): number {
  const known: unknown = getEnvironmentData(key)
  if (typeof known === 'number') return known
  const counted = process.getBuiltinModule('node:os').availableParallelism()
  setEnvironmentData(key, counted)
  return counted
}

/**
 * State of this thread that a second copy of the package must find too. It stands on `process`, which all vm contexts
 * of a thread share, and `globalThis` they do not.
 */
export function threadState<T>(key: string, make: () => T): T {
  const holder = process as unknown as Record<symbol, T | undefined>
  const symbol = Symbol.for(key)
  return (holder[symbol] ??= make())
}

/** What this thread inherited, or has set for the workers that it will start, under a key. */
export function inheritedData(key: string): unknown {
  return getEnvironmentData(key)
}

/** What every worker started from now on inherits under a key. */
export function bequeath(key: string, data: object): void {
  setEnvironmentData(key, data)
}

/** Calls back inside the constructor of each Worker that this thread makes, as soon as it is started. */
export function onWorkerStarted(callback: (worker: Worker) => void): void {
  subscribe('worker_threads', (message) => {
    callback((message as { worker: Worker }).worker)
  })
}

/**
 * Posts to any thread of the process by its id, by way of the main thread. Undelivered is no error here: the thread is
 * gone. Then the ports that it was to get are closed, and who listens at their other ends hears that nobody is there.
 */
export function postToThread(thread: number, message: unknown, ports: readonly MessagePort[]): void {
  postMessageToThread(thread, message, [...ports]).catch(() => {
    for (const port of ports) port.close()
  })
}

/** Hears what other threads post with postToThread. Holds no handle. */
export function onThreadMessage(callback: (message: unknown, from: number) => void): void {
  process.on('workerMessage', callback)
}

/** Posts to whoever listens under a name. Passes by no event loop but the listener's, unlike postToThread. */
export function broadcast(name: string, message: unknown): void {
  const channel = new BroadcastChannel(name)
  channel.postMessage(message)
  channel.close()
}

/** Hears what is broadcast under a name from now on. Keeps the thread alive. */
export function onBroadcast(name: string, callback: (message: unknown) => void): void {
  new BroadcastChannel(name).onmessage = (event) => {
    callback((event as { readonly data: unknown }).data)
  }
}

/** What is broadcast under a name, for a thread whose event loop stands still: take() has the next message, or undefined. */
export class Inbox {
  readonly #channel: BroadcastChannel

  constructor(name: string) {
    this.#channel = new BroadcastChannel(name)
  }

  take(): unknown {
    return (receiveMessageOnPort(this.#channel as unknown as MessagePort) as { message: unknown } | undefined)
      ?.message
  }

  /** To be called before the event loop turns again, which would deliver the messages to nobody. */
  close(): void {
    this.#channel.close()
  }
}

/**
 * Posts, and tells whether somebody still has the other end: false only when its thread is gone for certain, also while
 * this thread's event loop stands still and hears no 'close'. (What postMessage returns, in Node 20 to 26 at least.)
 */
export function postToPeer(port: MessagePort, message: unknown): boolean {
  return (port as { postMessage(message: unknown): unknown }).postMessage(message) !== false
}

/** Starts a worker from source that is embedded in the package. It keeps no process alive. */
export function startEmbedded(source: string, name: string, data: unknown, transfer: Transferable[]): Worker {
  const worker = new Worker(source, {
    eval: true,
    name,
    workerData: data,
    transferList: transfer,
    trackUnmanagedFds: false,
    stdin: false,
    execArgv: [],
    env: process.env as NodeJS.Dict<string>,
  })
  worker.unref()
  return worker
}

/** Says something once, on stderr, as Node does for its own warnings. */
export function warn(message: string): void {
  process.emitWarning(message, 'PageframeWarning')
}

/** Writes a line to stderr at once, also while this thread's event loop is blocked. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** True when memories that are made from now on check every address, poison what is freed and guard what is allocated. */
export function debugMode(): boolean {
  return process.env.PAGEFRAME_DEBUG === '1'
}

/** What shall be noted about the locks of memories that are made from now on, as the environment says it. */
export function lockSwitch(): string {
  return process.env.PAGEFRAME_LOCKS ?? ''
}

/** A variable of this thread's environment. */
export function environment(name: string): string | undefined {
  return process.env[name]
}

/** What Node calls a Worker that was given no name. */
const UNNAMED = 'WorkerThread'

const thisThread: { name: string | undefined } = threadState('pageframe thread name', () => ({
  name: undefined,
}))

/** What threadName() says in this thread from now on. */
export function nameThisThread(name: string): void {
  thisThread.name = name
}

/** What people call this thread: 'main', or the name its Worker was given (Node 22.20 and later), or nothing. */
export function threadName(): string {
  if (isMainThread) return 'main'
  if (thisThread.name !== undefined) return thisThread.name
  const { threadName } = workerThreads as { threadName?: string | null }
  return threadName == null || threadName === UNNAMED ? '' : threadName
}

/** Calls back in the next turn of the event loop, after timers and I/O had theirs. */
export function soon(callback: () => void): void {
  setImmediate(callback)
}

/** Keeps the event loop alive while it is held. */
export class KeepAlive {
  #timer: NodeJS.Timeout | undefined

  hold(): void {
    this.#timer ??= setInterval(() => undefined, 2 ** 30)
  }

  drop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
