/**
 * The world of a scenario as the package has it: a machine, freshly booted, and a Worker for each process (agent.mjs).
 *
 *   W   2^40, or 1 GiB where addresses have 32 bits: nobody maps anything there without being asked to
 */

import { BroadcastChannel } from 'node:worker_threads'
import * as inspect from 'pageframe/inspect'
import { Machine } from 'pageframe/machine'
import { within } from './time.mjs'

const AGENT = new URL('agent.mjs', import.meta.url)
const MEMORY = '16MiB'

/** How long a process may take to start, and a machine to end. */
const START_MS = 10_000
const END_MS = 10_000

/** How long a call may take to fall asleep, and how often that is looked at. */
const ASLEEP_MS = 1_000
const LOOK_MS = 2

const LAYOUTS = {
  lp64: { window: 2 ** 40, taskSize: 2 ** 47 - 4096 },
  ilp32: { window: 2 ** 30, taskSize: 3 * 2 ** 30 },
}

let worlds = 0

/** Boots a world of a layout: 'lp64' or 'ilp32'. */
export async function bootMachine(layout) {
  return new MachineWorld(await Machine.boot({ layout, memory: MEMORY }), layout)
}

class MachineWorld {
  inspect = inspect
  window
  taskSize

  #machine
  #processes = []
  #name = `pageframe-conformance-${process.pid}-${worlds++}`

  constructor(machine, layout) {
    this.#machine = machine
    Object.assign(this, LAYOUTS[layout])
  }

  async start(name) {
    const process = new MachineProcess(name, `${this.#name}-${name}`)
    this.#processes.push(process)
    await process.start(this.#machine)
    return process
  }

  /** Ends all processes. What is not in order then: a list of sentences. */
  async end() {
    for (const process of this.#processes) if (process.status === undefined) process.kill('SIGKILL')
    const ends = Promise.all(this.#processes.map((process) => process.ended))
    const complaints = []
    if ((await within(END_MS, ends)) === undefined) complaints.push('a process that was killed has not ended')
    const { ok, problems } = this.#machine.check()
    if (!ok) complaints.push(...problems)
    for (const process of this.#processes) process.forget()
    const disposed = this.#machine[Symbol.asyncDispose]().then(() => true)
    if ((await within(END_MS, disposed)) === undefined) complaints.push('the machine does not end')
    return complaints
  }
}

class MachineProcess {
  name
  /** What `inspect` looks at. */
  view
  /** How it ended, once it has. */
  status
  /** The outcome that the call will have that was started and has not been collected. */
  started
  /** Resolves when the process has got its last order. */
  begun

  #wire
  #machine
  #calls = new Map()
  #lastId = 0
  #hasBegun = () => undefined
  #hello
  #ended

  constructor(name, wire) {
    this.name = name
    this.#wire = new BroadcastChannel(wire)
    this.#hello = new Promise((resolve) => {
      this.#wire.onmessage = ({ data }) => {
        if (data.hello) resolve(true)
        else if (data.begun) this.#hasBegun()
        else this.#settle(data.id, data.outcome)
      }
    })
  }

  get pid() {
    return this.view.pid
  }

  async start(machine) {
    this.#machine = machine
    this.view = await machine.spawn(AGENT, { args: { wire: this.#wire.name }, name: this.name })
    this.#ended = this.#watch()
    const first = await within(START_MS, Promise.race([this.#hello, this.#ended]))
    if (first !== true)
      throw new Error(`process ${this.name} ${first === undefined ? 'does not start' : 'ended at once'}`)
  }

  call(call, args) {
    const id = ++this.#lastId
    const { promise, resolve } = withResolvers()
    this.begun = new Promise((begun) => (this.#hasBegun = begun))
    this.#calls.set(id, resolve)
    this.#wire.postMessage({ id, call, args })
    return promise
  }

  /** Resolves when the last call is seen waiting in the library, or has been at it for a while without. */
  async asleep() {
    await this.begun
    for (const until = performance.now() + ASLEEP_MS; performance.now() < until;) {
      const { waits } = inspect.waitGraph(this.#machine.memory)
      if (waits.some(({ thread }) => thread.threadId === this.view.threadId)) return
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** Its end, or what kept it from ending. */
  exit(args) {
    const outcome = this.call('exit', args)
    return Promise.race([
      this.#ended,
      outcome.then((what) => (what.broke === undefined ? this.#ended : what)),
    ])
  }

  kill(signal) {
    this.view.kill(signal)
  }

  get ended() {
    return this.#ended
  }

  forget() {
    this.#wire.close()
  }

  async #watch() {
    this.status = await this.view.waitAsync()
    const { code, signal } = this.status
    for (const id of this.#calls.keys()) this.#settle(id, { gone: signal ?? `exit code ${code}` })
    return this.status
  }

  #settle(id, outcome) {
    this.#calls.get(id)?.(outcome)
    this.#calls.delete(id)
  }
}

function withResolvers() {
  let resolve
  const promise = new Promise((resolvePromise) => (resolve = resolvePromise))
  return { promise, resolve }
}
