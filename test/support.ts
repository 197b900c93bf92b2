/**
 * What tests with real workers and processes share. Every wait has a limit, and whatever a test started ends with it.
 *
 *   const worker = await Actor.start()
 *   await worker.run(({ Mutex }, name) => void Mutex.open(name).lock(), 'jobs')     // the function runs over there
 *
 * A function that is sent to an actor or a script is sent as text: it sees its own arguments and nothing around it.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'
import type * as pageframe from 'pageframe'
import type * as internals from 'pageframe/internals'
import { afterEach } from 'vitest'

/** No wait of a test lasts longer, in milliseconds. */
export const LIMIT_MS = 10_000

const ROOT = fileURLToPath(new URL('..', import.meta.url))

export type Pageframe = typeof pageframe

/** What a function that runs in an actor gets. */
export type Tools = Pageframe & {
  readonly workerData: unknown
  /** Reports to the test while the function goes on. */
  readonly tell: (what: string) => void
}

/** What a function that runs in a process of its own gets. */
export type ScriptTools = Pageframe & {
  readonly internals: typeof internals
  readonly startActor: (options?: WorkerOptions) => Promise<ScriptActor>
}

export interface ScriptActor {
  readonly worker: Worker
  run<A extends unknown[], T>(work: (tools: Tools, ...args: A) => T, ...args: A): Promise<Awaited<T>>
  end(): Promise<number>
}

interface Answer {
  readonly id?: number
  readonly value?: unknown
  readonly error?: RemoteFailure
  readonly told?: string
}

interface RemoteFailure {
  readonly name: string
  readonly message: string
  readonly code?: string
  readonly errno?: number
}

/** An error that was thrown in another thread, with the code it had there. */
export class RemoteError extends Error {
  readonly code: string | undefined
  readonly errno: number | undefined

  constructor(failure: RemoteFailure) {
    super(failure.message)
    this.name = failure.name
    this.code = failure.code
    this.errno = failure.errno
  }
}

const running = new Set<Actor>()

afterEach(async () => {
  await Promise.all([...running].map((actor) => actor.end()))
})

/** A worker thread that does what the test tells it to. It ends with the test. */
export class Actor {
  readonly worker: Worker
  readonly threadId: number
  readonly #told = new Set<string>()
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #listeners = new Set<() => void>()
  /** How it ended, once it has. */
  exitCode: number | undefined
  failure: Error | undefined
  #ids = 0

  private constructor(worker: Worker) {
    this.worker = worker
    this.threadId = worker.threadId
    running.add(this)
    worker.on('message', (answer: Answer) => {
      if (answer.told !== undefined) this.#told.add(answer.told)
      else this.#waiting.get(answer.id ?? 0)?.(answer)
      this.#changed()
    })
    worker.on('error', (error) => {
      this.failure = error
    })
    worker.on('exit', (code) => {
      this.exitCode = code
      running.delete(this)
      this.#changed()
    })
  }

  static async start(options: WorkerOptions = {}): Promise<Actor> {
    const actor = new Actor(
      new Worker(new URL('./fixtures/actor.mjs', import.meta.url), { stderr: true, ...options }),
    )
    await actor.told('ready')
    return actor
  }

  /** Several, started at once. */
  static crew(count: number): Promise<Actor[]> {
    return Promise.all(Array.from({ length: count }, () => Actor.start()))
  }

  /** Runs a function in the worker; resolves with what it returns, rejects with what it throws. */
  run<A extends unknown[], T>(work: (tools: Tools, ...args: A) => T, ...args: A): Promise<Awaited<T>> {
    return this.runWithin(LIMIT_MS, work, ...args)
  }

  runWithin<A extends unknown[], T>(
    limitMs: number,
    work: (tools: Tools, ...args: A) => T,
    ...args: A
  ): Promise<Awaited<T>> {
    const id = ++this.#ids
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve))
    this.worker.postMessage({ id, source: String(work), args })
    return within(
      answer.then(({ value, error }) => {
        if (error !== undefined) throw new RemoteError(error)
        return value as Awaited<T>
      }),
      `an answer of thread ${this.threadId}`,
      limitMs,
    )
  }

  /** Starts a function that ends with the worker's death, or is not waited for. */
  begin<A extends unknown[]>(work: (tools: Tools, ...args: A) => unknown, ...args: A): void {
    this.worker.postMessage({ id: ++this.#ids, source: String(work), args })
  }

  /** Waits until the worker has told this. */
  async told(what: string): Promise<void> {
    await this.#until(() => this.#told.has(what) || this.exitCode !== undefined, `'${what}'`)
    if (!this.#told.has(what)) {
      throw new Error(
        `thread ${this.threadId} ended before it told '${what}': ${this.failure?.message ?? ''}`,
      )
    }
  }

  hasTold(what: string): boolean {
    return this.#told.has(what)
  }

  /** Waits until the worker is dead, by itself. */
  async ended(): Promise<void> {
    await this.#until(() => this.exitCode !== undefined, 'its end')
  }

  /** SIGKILL, for a thread. */
  async end(): Promise<void> {
    await this.worker.terminate()
    await this.ended()
  }

  async #until(isSo: () => boolean, what: string): Promise<void> {
    if (isSo()) return
    let listener: (() => void) | undefined
    const reached = new Promise<void>((resolve) => {
      listener = () => {
        if (isSo()) resolve()
      }
      this.#listeners.add(listener)
    })
    try {
      await within(reached, `thread ${this.threadId}: ${what}`)
    } finally {
      if (listener !== undefined) this.#listeners.delete(listener)
    }
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** The promise's outcome, or an error that says what was waited for in vain. */
export async function within<T>(promise: Promise<T>, what: string, limitMs = LIMIT_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`waited ${limitMs} ms for ${what}`))
    }, limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Waits until something is so; looks every few milliseconds. */
export async function eventually(isSo: () => boolean, what: string, limitMs = LIMIT_MS): Promise<void> {
  const end = performance.now() + limitMs
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`waited ${limitMs} ms for ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** What a call throws, to look at its code and text. */
export function thrownBy(call: () => unknown): Error & { code?: string; errno?: number } {
  try {
    call()
  } catch (error) {
    return error as Error & { code?: string }
  }
  throw new Error('nothing was thrown')
}

/** As thrownBy, for promises. */
export async function rejectionOf(
  promise: Promise<unknown>,
): Promise<Error & { code?: string; errno?: number }> {
  const outcome = await within(
    promise.then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
    'a rejection',
  )
  if (outcome === undefined) throw new Error('nothing was thrown')
  return outcome.error as Error & { code?: string }
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
  /** What the function of a script returned. */
  readonly result: unknown
}

export interface ProcessOptions {
  readonly limitMs?: number
  /** For bash, before node starts: 'ulimit -v 10000000'. */
  readonly before?: string
  /** For node, or V8. */
  readonly flags?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a file of test/fixtures in a process of its own. Killed, and an error, after the limit. */
export async function runFile(file: string, args: string[], options: ProcessOptions = {}): Promise<Ended> {
  const { limitMs = 20_000, before, flags = [] } = options
  const path = fileURLToPath(new URL(`./fixtures/${file}`, import.meta.url))
  const node = [process.execPath, ...flags, path, ...args]
  const [command, ...rest] =
    before === undefined ? node : ['bash', '-c', `${before}; exec "$@"`, 'bash', ...node]
  const env = { ...process.env, ...options.env }
  delete env.NODE_OPTIONS // what vitest sets for its own processes is none of theirs
  const began = performance.now()
  const child = spawn(command, rest, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  const ms = performance.now() - began
  if (signal !== null) {
    throw new Error(`${file} was ended by ${signal} after ${Math.round(ms)} ms\n${stdout}\n${stderr}`)
  }
  const line = stdout.trim().split('\n').at(-1) ?? ''
  return { code, stdout, stderr, ms, result: /^[[{"\d\-tfn]/.test(line) ? parsed(line) : undefined }
}

/** Runs a function in a process of its own: what it returns is `result`. */
export async function script<A extends unknown[]>(
  work: (tools: ScriptTools, ...args: A) => unknown,
  args: A,
  options?: ProcessOptions,
): Promise<Ended> {
  return runFile('script.mjs', [String(work), ...args.map((each) => JSON.stringify(each))], options)
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

let names = 0

/** A name that no other test uses. */
export function freshName(): string {
  return `name ${process.pid} ${++names}`
}
