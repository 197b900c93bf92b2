/**
 * Sender: this thread as the producer of a channel: copies values in, lends out room, waits in three ways, says what went
 * wrong. It takes the role when the
 * thread first sends.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncOptions } from '../memory/async-waits.ts'
import { preparedLength, writePrepared, type Prepared } from '../memory/types.ts'
import { BUSY } from '../sync/wait.ts'
import { BYTES_COPIED } from '../threads/counters.ts'
import { ECANCELED, EMSGSIZE, ENOMEM, EPIPE, ETIMEDOUT } from '../words/errno.ts'
import { integer, showBytes, timeoutOf, typeError } from '../words/usage.ts'
import { End, type Context, type Wait } from './end.ts'
import { ReusedLoan, type Loan } from './loan.ts'
import { Producer } from './producer.ts'
import { capacityFor, isClosed, largestRecordBytes, MOST_CAPACITY_BYTES, RawChannel } from './ring.ts'
import { Turns } from './turns.ts'

const { capacity, producer: role, consumer } = RawChannel

export class Sender<T> extends End<T> {
  declare readonly producer: Producer
  declare private readonly lent: ReusedLoan
  declare private readonly turns: Turns
  /** Before a wait: this thread may be the consumer too, with room that nobody has seen. */
  declare private readonly beforeWait: () => void

  constructor(context: Context<T>, beforeWait: () => void) {
    super(context)
    const { attachment, rawAt, views } = context
    this.producer = new Producer(attachment.lot, rawAt, context.generation)
    this.turns = new Turns(
      attachment.lot,
      attachment.waits,
      this.producer.roomAt,
      () => context.guard,
      () => !this.lent.isOut,
    )
    this.beforeWait = beforeWait
    this.lent = new ReusedLoan(this.producer, views, this.turns, () => this.sendError(-EPIPE, 'commit', 0))
  }

  /** Gives the role back: a loan that is out is forgotten, and who waits by promise waits no more. */
  leave(): void {
    this.turns.cancel()
    if (!this.producer.isJoined) return
    this.lent.forget()
    this.producer.leave()
  }

  send(value: T, wait: Wait | undefined): void {
    const timeoutMs = timeoutOf('Channel.send()', wait)
    const prepared = this.context.codec.prepare('Channel.send()', value)
    const length = preparedLength(prepared)
    this.ready('send', length)
    this.write(this.claim('send', length, timeoutMs), length, prepared)
  }

  trySend(value: T): boolean {
    const prepared = this.context.codec.prepare('Channel.trySend()', value)
    const length = preparedLength(prepared)
    this.ready('trySend', length)
    const payload = this.tryClaim('trySend', length)
    if (payload === BUSY) return false
    this.write(payload, length, prepared)
    return true
  }

  async sendAsync(value: T, options: AsyncOptions): Promise<void> {
    const prepared = this.context.codec.prepare('Channel.sendAsync()', value)
    const length = preparedLength(prepared)
    const wait = this.readWait('Channel.sendAsync()', options)
    const { timeoutMs } = wait
    let spoilt: TypeError | undefined
    const room = this.producer.room(length, (payload) => {
      // Bytes that have changed their length meanwhile are for the caller to hear of, not for the event loop.
      try {
        this.write(payload, length, prepared)
      } catch {
        spoilt = typeError('Channel.sendAsync()', 'value', 'left as it is until it is sent', value)
      }
      return 0
    })
    this.ready('sendAsync', length)
    this.beforeWait()
    const result = await this.turns.wait(room, timeoutMs, wait)
    if (result < 0) throw this.sendError(result, 'sendAsync', length, timeoutMs)
    if (spoilt !== undefined) throw spoilt
  }

  /** Short, with one result that is always the same object: so V8 knows in the user's loop which loan it is. */
  loan(lengthBytes: number, wait: Wait | undefined): Loan {
    this.lend(lengthBytes, wait)
    return this.lent
  }

  tryLoan(lengthBytes: number): Loan | null {
    const length = lengthOf('Channel.tryLoan()', lengthBytes)
    this.ready('tryLoan', length)
    const payload = this.tryClaim('tryLoan', length)
    return payload === BUSY ? null : this.lent.open(payload, length)
  }

  async loanAsync(lengthBytes: number, options: AsyncOptions): Promise<Loan> {
    const length = lengthOf('Channel.loanAsync()', lengthBytes)
    const wait = this.readWait('Channel.loanAsync()', options)
    const { timeoutMs } = wait
    this.ready('loanAsync', length)
    const room = this.producer.room(length, (payload) => {
      this.lent.open(payload, length)
      return 0
    })
    this.beforeWait()
    const result = await this.turns.wait(room, timeoutMs, wait)
    if (result < 0) throw this.sendError(result, 'loanAsync', length, timeoutMs)
    return this.lent
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private lend(lengthBytes: number, wait: Wait | undefined): void {
    // Flat, and without a message: what V8 inlines into the user's loop is bounded.
    if (
      wait === undefined &&
      !this.lent.isOut &&
      this.turns.count === 0 &&
      typeof lengthBytes === 'number' &&
      lengthBytes >>> 0 === lengthBytes
    ) {
      const payload = this.producer.claim(lengthBytes)
      // One comparison: an errno is negative, and BUSY above every index.
      if (payload >>> 0 < BUSY) {
        this.lent.open(payload, lengthBytes)
        return
      }
    }
    this.lendCarefully(lengthBytes, wait)
  }

  /** lend() when not everything is as it should be: says what is wrong, or waits. */
  private lendCarefully(lengthBytes: number, wait: Wait | undefined): void {
    const timeoutMs = timeoutOf('Channel.loan()', wait)
    const length = lengthOf('Channel.loan()', lengthBytes)
    this.ready('loan', length)
    this.lent.open(this.claim('loan', length, timeoutMs), length)
  }

  /** Throws if it cannot be written as it was prepared: then nothing is sent. */
  private write(payload: number, length: number, prepared: Prepared): void {
    const written = writePrepared(this.views.at(payload, length), prepared)
    if (written !== length) throw new RangeError('the value has another length than it had')
    this.producer.commit(length)
    this.counters[BYTES_COPIED] += length
  }

  private claim(verb: string, length: number, timeoutMs: number): number {
    if (this.turns.count !== 0) throw this.turnError(verb, 'sendAsync')
    const payload = this.producer.claim(length)
    if (payload >= 0 && payload !== BUSY) return payload
    return payload === BUSY ? this.claimBlocking(verb, length, timeoutMs) : this.refuse(payload, verb, length)
  }

  private tryClaim(verb: string, length: number): number {
    if (this.turns.count !== 0) return BUSY
    let payload = this.producer.claim(length)
    if (payload === BUSY) {
      this.beforeWait()
      payload = this.producer.claim(length)
    }
    return payload < 0 ? this.refuse(payload, verb, length) : payload
  }

  private claimBlocking(verb: string, length: number, timeoutMs: number): number {
    this.beforeWait()
    const payload = this.blocked(
      () => `has no room: its consumer is ${this.ownerOf(consumer)}`,
      () => this.producer.claimBlocking(length, deadlineAfter(timeoutMs)),
    )
    return payload < 0 ? this.refuse(payload, verb, length, timeoutMs) : payload
  }

  private refuse(errno: number, verb: string, length: number, timeoutMs?: number): never {
    throw this.sendError(errno, verb, length, timeoutMs)
  }

  /** Takes the role if this thread does not have it. Throws if it cannot, has a loan out, or no ring like this takes so much. */
  private ready(verb: string, length: number): void {
    this.context.assertLive(verb)
    if (length > this.producer.largest) throw this.sendError(-EMSGSIZE, verb, length)
    if (!this.producer.isJoined && this.producer.join() < 0) throw this.roleError(role, verb, 'sends')
    if (this.lent.isOut) throw this.inUse(verb, 'has a loan out', 'commit() or dispose it first')
  }

  private sendError(errno: number, verb: string, length: number, timeoutMs?: number): Error {
    return this.error(errno, verb, this.explain(errno, length, timeoutMs))
  }

  private explain(errno: number, length: number, timeoutMs: number | undefined): string {
    const { cpu } = this.attachment
    const { rawAt } = this.context
    switch (errno) {
      case -EMSGSIZE: {
        const needed = capacityFor(length)
        if (needed > MOST_CAPACITY_BYTES) {
          return `a record of ${length} bytes is more than any channel takes (${largestRecordBytes(MOST_CAPACITY_BYTES / 4)})`
        }
        const there = showBytes(cpu.load(rawAt + capacity) * 4)
        return `a record of ${length} bytes needs a capacity of at least ${showBytes(needed)}; this channel has ${there}`
      }
      case -ETIMEDOUT:
        return `no room for ${length} bytes in ${timeoutMs} ms; its consumer is ${this.ownerOf(consumer)}`
      case -EPIPE:
        return isClosed(cpu, rawAt)
          ? 'it is closed'
          : 'its consumer died; sending works again as soon as another thread receives'
      case -ENOMEM:
        return this.attachment.noMemory('a record to wait with', 4096)
      case -ECANCELED:
        return 'this thread gave it back while it waited to send'
      default:
        return 'sending failed'
    }
  }
}

function lengthOf(call: string, lengthBytes: number): number {
  return integer(call, 'lengthBytes', lengthBytes, 0, Number.MAX_SAFE_INTEGER)
}
