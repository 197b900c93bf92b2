/**
 * Machine: a physical memory, and processes that share it. Each is a worker with an address space of its own.
 *
 *   boot ──► a SharedMemory ──► Region 'pageframe machine': the process table     process-slot.ts
 *            the supervisor learns of machines                                    supervisor.ts
 *            process 1: this thread, `machine.self`
 *   spawn, adopt ──► children
 *   dispose ──► all processes end, the memory is given back to the host
 */

import type { Worker } from '../host/workers.ts'
import { warn } from '../host/workers.ts'
import type { CheckReport } from '../memory/check.ts'
import { extendSupervisor, makeMemory, attachmentById, tellExtension } from '../memory/inventory.ts'
import { Region } from '../memory/region.ts'
import { LEAST_BYTES, MOST_BYTES } from '../memory/inventory.ts'
import { SharedMemory } from '../memory/shared-memory.ts'
import { debugMode, threadId } from '../host/workers.ts'
import type { Attachment } from '../memory/attachment.ts'
import type { AddressLayoutName } from '../paging/addresses.ts'
import { processAt } from '../paging/processes.ts'
import { asyncDispose } from '../words/dispose.ts'
import { checked } from '../words/errno.ts'
import {
  assertFunction,
  assertOptions,
  bytesOf,
  integer,
  oneOf,
  rangeError,
  showBytes,
  typeError,
  usageError,
  type Size,
} from '../words/usage.ts'
import { adoptWorker, assertWorker } from './adopt.ts'
import type { Child } from './child.ts'
import { formatMachine, type MachineKernel } from './kernel-of.ts'
import { Process } from './process.ts'
import { MACHINE_REGION, REGION_WORDS, ZOMBIE } from './process-slot.ts'
import { bindSlot, slotsInUse } from './process-table.ts'
import { ProcessView } from './process-view.ts'
import { SIGNATURE, type Booted, type End } from './protocol.ts'
import { machineProblems } from './repairs.ts'
import {
  assertSignal,
  cloned,
  entryUrl,
  heed,
  labelOf,
  makeEmbryo,
  spawn,
  type SpawnOptions,
} from './spawn.ts'
import { childrenIn, forgetMachine, kernelIn } from './this-thread.ts'

const DEFAULT_MEMORY = '256MiB'
const PATIENCE_MS = 5000

export interface BootOptions {
  /** Physical memory: 2 MiB to 4 GiB, '256MiB' if absent. Nothing is taken from the host until it is touched. */
  memory?: Size
  /** Addresses of 47 bits, or of 32. */
  layout?: AddressLayoutName
  /** Checks every address, poisons what is freed. Slow. */
  debug?: boolean
  /** For bundlers, which must see each `new Worker()`: makes the worker of an entry. What it runs calls run(main). */
  worker?: (entry: URL) => Worker
  /** Of the addresses that mmap() chooses: the same seed gives the same ones. */
  seed?: number
  /** False: no address is random. */
  randomize?: boolean
}

export class Machine implements AsyncDisposable {
  /** The process that this thread is in the machine: pid 1. */
  readonly self: Process
  /** Its physical memory. Locks and channels may live there too: { memory: machine.memory }. */
  readonly memory: SharedMemory
  readonly #kernel: MachineKernel
  readonly #worker: ((entry: URL) => Worker) | undefined
  #ending: Promise<void> | undefined

  private constructor(
    kernel: MachineKernel,
    self: Process,
    memory: SharedMemory,
    worker: BootOptions['worker'],
  ) {
    this.#kernel = kernel
    this.self = self
    this.memory = memory
    this.#worker = worker
  }

  /**
   * Makes a machine, whose first process is this thread. ENOMEM if the host refuses the memory.
   *
   * @example
   *   await using machine = await Machine.boot()
   *   const at = machine.self.mmap(null, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS)
   *   machine.self.store32(at, 42)
   */
  static async boot(options: BootOptions = {}): Promise<Machine> {
    const plan = readOptions(options)
    await extendSupervisor(SIGNATURE, () => import('virtual:worker/machine-supervisor'))
    const attachment = makeMemory(plan.bytes, '', () => undefined, plan.debug)
    const memory = SharedMemory.from({
      $pageframe: 'SharedMemory',
      memory: attachment.id,
      at: 0,
      generation: 0,
    })
    try {
      const kernel = formatted(attachment, memory, plan)
      const self = firstProcess(kernel)
      tellExtension(
        SIGNATURE,
        { order: 'booted', memory: attachment.id, regionAt: kernel.headerAt } satisfies Booted,
        [],
      )
      return new Machine(kernel, self, memory, plan.worker)
    } catch (error) {
      forgetMachine(attachment.id)
      memory.destroy()
      throw error
    }
  }

  /**
   * Starts a process in a worker of its own. The default export of the module is its program: `main(self, args)`, like C's
   * main; what it returns is the exit status, and an error that it does not catch is printed and makes it 1.
   *
   * Throws ENOENT if there is no such file, EAGAIN when the machine has 128 processes, a DataCloneError for args that cannot
   * be cloned, ENOMEM.
   *
   * 200 ms after a spawn one spare worker is made ready, and the next process may run in it: it starts several times as fast.
   * It is like any other, but that Node's own record of its worker is older (threadId; threadName, 'pageframe spare', in Node
   * 22.20 and later). One with resourceLimits gets a new worker.
   *
   * @example
   *   const child = await machine.spawn(new URL('./child.js', import.meta.url), { args: ['/x'] })
   *   console.log(await child.waitAsync())      // { code: 0, signal: null }
   */
  async spawn<A>(entry: URL | string, options: SpawnOptions<A> = {}): Promise<Child> {
    this.#assertRunning('spawn()')
    const { pid } = this.self
    if (this.#worker === undefined) return spawn(this.#kernel, pid, entry, options)
    assertOptions('spawn()', options)
    const { args, name, resourceLimits, signal } = options
    if (resourceLimits !== undefined) {
      throw usageError(
        'ERR_PAGEFRAME_INVALID_ARGUMENT',
        'spawn(): resourceLimits are fixed when a worker is made, and boot({ worker }) makes it: give them to new Worker() there',
      )
    }
    const url = entryUrl(entry)
    const label = labelOf(name, url)
    assertSignal(signal)
    const copy = cloned(args) // what cannot be cloned fails here, before there is a worker
    const worker = this.#worker(new URL(url))
    assertWorker('spawn()', 'what boot({ worker }) makes', worker)
    try {
      return heed(await this.#adopt(pid, worker, label, copy), signal)
    } catch (error) {
      void worker.terminate()
      throw error
    }
  }

  #adopt(pid: number, worker: Worker, name: string, args: unknown): Promise<Child> {
    return adoptWorker(this.#kernel, pid, worker, { name, args, isEnding: () => this.#ending !== undefined })
  }

  /**
   * Makes a worker that your own code has started a process: there current() gives it, and run() has waited for it. The
   * worker must import pageframe/machine. EAGAIN if it does not answer within 5 s.
   */
  async adopt(worker: Worker, options: { name?: string; args?: unknown } = {}): Promise<Child> {
    this.#assertRunning('adopt()')
    assertOptions('adopt()', options)
    const { name = 'adopted', args } = options
    if (typeof name !== 'string') throw typeError('adopt()', 'name', 'a string', name)
    assertWorker('adopt()', 'worker', worker)
    return this.#adopt(this.self.pid, worker, name, cloned(args))
  }

  /** The processes that there are, this one first. */
  processes(): readonly ProcessView[] {
    this.#assertRunning('processes()')
    const { attachment, processes } = this.#kernel
    return [...slotsInUse(attachment.cpu, processes)].map(({ index }) => new ProcessView(this.#kernel, index))
  }

  /** Recounts everything: frames, tables, areas, objects, locks. For a machine at rest. Changes nothing. */
  check(): CheckReport {
    this.#assertRunning('check()')
    const problems = [...this.memory.check().problems, ...machineProblems(this.#kernel)]
    return { ok: problems.length === 0, problems }
  }

  /** Ends all processes, and gives the memory back to the host. Afterwards its calls throw: ESTALE, or ESRCH for accesses. */
  [asyncDispose](): Promise<void> {
    return (this.#ending ??= this.#end())
  }

  async #end(): Promise<void> {
    const { id } = this.#kernel.attachment
    for (const child of childrenIn(id)) child.kill('SIGKILL')
    tellExtension(SIGNATURE, { order: 'end', memory: id } satisfies End, [])
    const deadline = Date.now() + PATIENCE_MS
    let alive = this.#others()
    for (; alive.length > 0 && Date.now() < deadline; alive = this.#others()) {
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    if (alive.length > 0) {
      warn(`process ${alive.join(', ')} of a machine does not end: its worker is stuck in a native call`)
    }
    this.self.retire()
    forgetMachine(id)
    this.memory.destroy()
  }

  /** Pids of those who still have a worker, or hold something. */
  #others(): number[] {
    const { attachment, processes } = this.#kernel
    return [...slotsInUse(attachment.cpu, processes)]
      .filter(({ pid, state }) => pid !== this.self.pid && state !== ZOMBIE)
      .map(({ pid }) => pid)
  }

  #assertRunning(call: string): void {
    if (this.#ending === undefined) return
    throw usageError('ERR_PAGEFRAME_MACHINE_ENDED', `${call}: this machine has been disposed`)
  }
}

interface Plan {
  readonly bytes: number
  readonly layout: AddressLayoutName
  readonly debug: boolean
  readonly seed: number
  readonly worker: BootOptions['worker']
}

function readOptions(options: BootOptions): Plan {
  const call = 'Machine.boot()'
  assertOptions(call, options)
  const {
    memory = DEFAULT_MEMORY,
    layout = 'lp64',
    debug = debugMode(),
    worker,
    seed,
    randomize = true,
  } = options
  const bytes = bytesOf(call, 'memory', memory, MOST_BYTES)
  if (bytes < LEAST_BYTES)
    throw rangeError(`${call}: memory must be at least ${showBytes(LEAST_BYTES)}, not ${showBytes(bytes)}`)
  if (typeof debug !== 'boolean') throw typeError(call, 'debug', 'true or false', debug)
  if (typeof randomize !== 'boolean') throw typeError(call, 'randomize', 'true or false', randomize)
  if (worker !== undefined) assertFunction(call, 'worker', worker)
  return {
    bytes,
    layout: oneOf(call, 'layout', layout, ['lp64', 'ilp32']),
    debug,
    // -1 stands for: not random.
    seed: !randomize ? -1 : seed === undefined ? randomSeed() : integer(call, 'seed', seed, 0, 2 ** 31 - 1),
    worker,
  }
}

function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31)
}

/** Lays out the process table in a new memory. */
function formatted(attachment: Attachment, memory: SharedMemory, { layout, seed }: Plan): MachineKernel {
  const { cpu, frames } = attachmentById(attachment.id)
  const region = Region.open(MACHINE_REGION, REGION_WORDS * 4, { memory })
  const headerAt = region.bytes.byteOffset / 4
  const zeroFrame = checked(frames.allocFrame(), 'boot', attachment.noMemory('a machine', REGION_WORDS * 4))
  frames.own(zeroFrame, region.at)
  formatMachine(cpu, headerAt, { layout, seed, zeroFrame })
  return kernelIn(attachment, headerAt)
}

/** This thread becomes pid 1. */
function firstProcess(kernel: MachineKernel): Process {
  const { cpu, thread } = kernel.attachment
  const { index, pid } = makeEmbryo(kernel, 0, 'init')
  bindSlot(cpu, processAt(kernel.processes, index), pid, thread.tid, threadId)
  return new Process(kernel, index)
}
