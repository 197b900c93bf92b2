/** ProcessView: a process of a machine, as anybody may look at it: its slot and its space, from outside. */

import { processAt } from '../paging/processes.ts'
import type { Kernel } from '../space/kernel.ts'
import {
  isProcessIn,
  nameOfProcess,
  parent,
  pidIn,
  state,
  stateIn,
  STATE_NAMES,
  stateWord,
  threadId,
  type ProcessState,
} from './process-table.ts'
import { RUNNING } from './process-slot.ts'

/** What console.log() asks in Node; a process is more than anybody wants to see printed. */
const inspect: unique symbol = Symbol.for('nodejs.util.inspect.custom')

export class ProcessView {
  readonly pid: number
  /** For the floors above: what reads its space. Not enumerable, so that a process can be printed. */
  declare readonly kernel: Kernel
  /** Number of its slot. */
  declare readonly index: number
  /** Word index of its slot, and of its SpaceState. */
  declare readonly spaceAt: number
  readonly #word: number

  constructor(kernel: Kernel, index: number) {
    const at = processAt(kernel.processes, index)
    this.pid = pidIn(kernel.attachment.cpu.load(at + state))
    this.#word = stateWord(this.pid, 0)
    for (const [key, value] of Object.entries({ kernel, index, spaceAt: at })) {
      Object.defineProperty(this, key, { value })
    }
  }

  /** The name that it was spawned with. '' once it is gone. */
  get name(): string {
    return this.#ask((at) => nameOfProcess(this.kernel.attachment.cpu, at), '')
  }

  /** The pid of its parent; 0 for the machine's first process, and once it is gone. */
  get parent(): number {
    return this.#ask((at) => this.kernel.attachment.cpu.load(at + parent), 0)
  }

  /** Node's threadId of the worker that runs it, -1 before there is one and once it is gone. */
  get threadId(): number {
    return this.#ask((at) => this.kernel.attachment.cpu.load(at + threadId), -1)
  }

  /** What it is doing: 'embryo' until it has begun, 'zombie' until its status was asked for, then 'free'. */
  get state(): ProcessState {
    const word = this.kernel.attachment.cpu.load(this.spaceAt + state)
    return pidIn(word) === this.pid ? STATE_NAMES[stateIn(word)] : 'free'
  }

  get isRunning(): boolean {
    return isProcessIn(this.kernel.attachment.cpu, this.spaceAt, this.pid, RUNNING)
  }

  [inspect](): string {
    return `[process ${this.pid} '${this.name}' ${this.state}]`
  }

  #ask<T>(question: (at: number) => T, otherwise: T): T {
    const there = () =>
      (this.kernel.attachment.cpu.load(this.spaceAt + state) & ~7) === this.#word && this.state !== 'free'
    if (!there()) return otherwise
    const answer = question(this.spaceAt)
    return there() ? answer : otherwise
  }
}
