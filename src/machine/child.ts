/**
 * Child: a process that this thread has spawned or adopted. To be waited for, and to be ended.
 *
 *   kill()   the target is asked (its slot's `asked`, its generation, its doorbell): it ends at its next safepoint, never
 *            inside kernel code. If it does not, its worker is terminated 100 ms later
 *   wait()   on the semaphore `ended` of its slot, which gets permits for everybody when all that the process held is back
 *            and its worker has exited. The first of this thread's waits to get one reads the status, gives the slot back,
 *            and tells the others
 *
 * A Child holds the event loop open while its process lives, as a Worker does.
 */

import { deadlineAfter } from '../host/clock.ts'
import { TlbState } from '../paging/presence.ts'
import type { AsyncOptions, AsyncSteps } from '../memory/async-waits.ts'
import { abandonAcquire, acquire, beginAcquire, onBellAcquire, tryAcquire } from '../sync/semaphore.ts'
import { ASLEEP, RUNG, slotOf, ThreadSlot } from '../threads/slot.ts'
import { ErrnoError, ESTALE, ETIMEDOUT } from '../words/errno.ts'
import { asyncWaitOf, timeoutOf } from '../words/usage.ts'
import type { MachineKernel } from './kernel-of.ts'
import { RUNNING, ZOMBIE } from './process-slot.ts'
import { asked, code, ended, freeSlot, isProcessIn, NO_CODE, signal, thread } from './process-table.ts'
import { ProcessView } from './process-view.ts'
import { signalName, signalNumber, type ExitStatus, type SignalName } from './signals.ts'

/** Ends the worker of a process by force, after a while. */
export type Terminate = (pid: number) => void

export class Child extends ProcessView {
  readonly #machine: MachineKernel
  readonly #terminate: Terminate
  readonly #settled = new AbortController()
  readonly #onEnd = new Set<() => void>()
  #status: ExitStatus | undefined

  constructor(kernel: MachineKernel, index: number, terminate: Terminate) {
    super(kernel, index)
    this.#machine = kernel
    this.#terminate = terminate
    // Holds the event loop, and settles what waits for the end, also if nobody asks.
    this.waitAsync().catch(() => undefined)
  }

  /** How it ended, or undefined while it has not. */
  get status(): ExitStatus | undefined {
    if (!this.#isOver && tryAcquire(this.#lot, this.#endedAt) === 0) this.#settle()
    return this.#status
  }

  /** Blocks until the process has ended. ETIMEDOUT after timeoutMs. */
  wait(wait?: { timeoutMs?: number }): ExitStatus {
    const timeoutMs = timeoutOf('child.wait()', wait)
    if (this.#status !== undefined) return this.#status
    const { attachment } = this.#machine
    const got = attachment.waiting(
      () => `child.wait(): ${this.#label} has not ended`,
      () => acquire(this.#lot, this.#endedAt, deadlineAfter(timeoutMs)),
    )
    if (got === -ETIMEDOUT) throw this.#late('wait', timeoutMs)
    return this.#settle()
  }

  /** Resolves when the process has ended. Rejects with ETIMEDOUT after timeoutMs, and with the signal's reason. */
  async waitAsync(wait: AsyncOptions = {}): Promise<ExitStatus> {
    const options = asyncWaitOf('child.waitAsync()', wait)
    const { timeoutMs, signal: given } = options
    if (this.#status !== undefined) return this.#status
    const settled = this.#settled.signal
    const signal = given === undefined ? settled : AbortSignal.any([given, settled])
    try {
      const result = await this.#machine.attachment.waits.wait(this.#steps, timeoutMs, { ...options, signal })
      if (result < 0) throw new ErrnoError(result, 'waitAsync', `child.waitAsync(): ${this.#label}`)
    } catch (error) {
      const known = this.#known() // another wait of this thread got it
      if (known !== undefined) return known
      throw error
    }
    return this.#known() ?? this.#settle()
  }

  /** It has ended, or its machine has: its slot is nobody's, or another's. */
  get #isOver(): boolean {
    return this.#settled.signal.aborted
  }

  #known(): ExitStatus | undefined {
    return this.#status
  }

  /**
   * Asks the process to end: it does so at its next safepoint, which every access to its memory and every blocked wait is,
   * and is terminated if it has come to none in 100 ms. Nothing happens if it has ended, or its machine.
   */
  kill(signal: SignalName = 'SIGTERM'): void {
    const number = signalNumber('child.kill()', signal)
    if (this.status !== undefined || this.#isOver) return
    const { attachment } = this.#machine
    const { cpu, map, thread: self } = attachment
    cpu.compareExchange(this.spaceAt + asked, 0, number)
    // Two: generations are even. The target finds its translations old, and looks what else there is.
    cpu.add(this.spaceAt + TlbState.gen, 2)
    if (isProcessIn(cpu, this.spaceAt, this.pid, RUNNING)) {
      const park = slotOf(map.slotsAt, cpu.load(this.spaceAt + thread)) + ThreadSlot.park
      if (cpu.exchange(park, RUNG) === ASLEEP) self.ring(park)
    }
    this.#terminate(this.pid)
  }

  /** Calls back when the end is known: at once if it is. */
  onEnd(callback: () => void): void {
    if (this.#status === undefined) this.#onEnd.add(callback)
    else callback()
  }

  /** The machine is gone: what has ended keeps its status here, and nobody waits for the others any more. */
  forget(): void {
    const { cpu } = this.#machine.attachment
    if (this.#status !== undefined) return
    if (isProcessIn(cpu, this.spaceAt, this.pid, ZOMBIE)) this.#settle()
    else {
      const text = `child.waitAsync(): the machine of process ${this.pid} has ended, and nobody knows how the process did`
      this.#settled.abort(new ErrnoError(ESTALE, 'waitAsync', text))
    }
  }

  /** It has ended: reads the status, gives the slot back, and tells everybody else. */
  #settle(): ExitStatus {
    const { cpu } = this.#machine.attachment
    const exitCode = cpu.load(this.spaceAt + code)
    const bySignal = cpu.load(this.spaceAt + signal)
    const status: ExitStatus = Object.freeze(
      bySignal !== 0
        ? { code: null, signal: signalName(bySignal) }
        : { code: exitCode === NO_CODE ? 1 : exitCode, signal: null },
    )
    this.#status = status
    this.#settled.abort() // takes their records out of the queue, at once
    freeSlot(cpu, this.spaceAt, this.pid, ZOMBIE)
    for (const callback of this.#onEnd) callback()
    this.#onEnd.clear()
    return status
  }

  readonly #steps: AsyncSteps = {
    begin: (record) => beginAcquire(this.#lot, this.#endedAt, record),
    onBell: (record) => onBellAcquire(this.#lot, this.#endedAt, record),
    abandon: (record, outcome) => {
      abandonAcquire(this.#lot, this.#endedAt, record, outcome)
    },
    late: (_record, timeoutMs) => this.#late('waitAsync', timeoutMs),
  }

  #late(verb: string, timeoutMs: number): ErrnoError {
    return new ErrnoError(ETIMEDOUT, verb, `child.${verb}(): ${this.#label} has not ended in ${timeoutMs} ms`)
  }

  get #label(): string {
    return `process ${this.pid} '${this.name}'`
  }

  get #lot() {
    return this.#machine.attachment.lot
  }

  get #endedAt(): number {
    return this.spaceAt + ended
  }
}
