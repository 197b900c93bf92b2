/**
 * Receiver: this thread as the consumer of a channel: copies values out, shows records in place, waits in three ways, says
 * what went wrong. It takes the role when the thread first receives.
 */

import { deadlineAfter } from '../host/clock.ts'
import type { AsyncOptions } from '../memory/async-waits.ts'
import type { Codec } from '../memory/types.ts'
import { BUSY } from '../sync/wait.ts'
import { BYTES_COPIED } from '../threads/counters.ts'
import { ECANCELED, ENOMEM, EOWNERDEAD, ETIMEDOUT } from '../words/errno.ts'
import { timeoutOf } from '../words/usage.ts'
import { Consumer, DRAINED } from './consumer.ts'
import { End, type Context, type Wait } from './end.ts'
import { ReusedMessage, type Message } from './message.ts'
import { RawChannel } from './ring.ts'
import { Turns } from './turns.ts'

const { producer, consumer: role } = RawChannel

export class Receiver<T> extends End<T> {
  declare readonly consumer: Consumer
  declare private readonly message: ReusedMessage<T>
  declare private readonly turns: Turns
  /** Before a wait: this thread may be the producer too, with a batch that nobody has seen. */
  declare private readonly beforeWait: () => void
  /** What read() returns when there is none. */
  declare private readonly none: undefined

  constructor(context: Context<T>, beforeWait: () => void) {
    super(context)
    const { attachment, rawAt, views } = context
    this.consumer = new Consumer(attachment.lot, rawAt, context.generation)
    this.turns = new Turns(
      attachment.lot,
      attachment.waits,
      this.consumer.recordAt,
      () => context.guard,
      () => !this.message.isHeld,
    )
    this.message = new ReusedMessage(this.consumer, views, () => context.codec, this.turns)
    this.beforeWait = beforeWait
    this.none = undefined
  }

  /** Gives the role back: a message that is held is delivered again, and who waits by promise waits no more. */
  leave(): void {
    this.turns.cancel()
    if (!this.consumer.isJoined) return
    this.message.forget()
    this.consumer.leave()
  }

  receive(wait: Wait | undefined): T | undefined {
    const timeoutMs = timeoutOf('Channel.receive()', wait)
    const { codec } = this.context
    const payload = this.next('receive', timeoutMs)
    return payload === DRAINED ? undefined : this.keep(payload, codec)
  }

  tryReceive(): T | undefined {
    const { codec } = this.context
    const payload = this.tryNext('tryReceive')
    return payload === BUSY || payload === DRAINED ? undefined : this.keep(payload, codec)
  }

  async receiveAsync(options: AsyncOptions): Promise<T | undefined> {
    const wait = this.readWait('Channel.receiveAsync()', options)
    const { timeoutMs } = wait
    const { codec } = this.context
    this.ready('receiveAsync')
    let keep: () => T | undefined = () => undefined
    const record = this.consumer.record((payload) => {
      // What the codec throws is for the caller, not for the event loop that runs this.
      try {
        const value = this.keep(payload, codec)
        keep = () => value
      } catch (error) {
        keep = () => {
          throw error
        }
      }
      return 0
    })
    await this.wait('receiveAsync', record, timeoutMs, wait)
    return keep()
  }

  /**
   * Short, and `none` is a load, which V8 takes for impossible until it was made once: so it knows in the user's loop which
   * message it is, as long as no channel was drained.
   */
  read(wait: Wait | undefined): Message<T> | undefined {
    return this.advance(wait) ? this.message : this.none
  }

  tryRead(): Message<T> | undefined {
    const payload = this.tryNext('tryRead')
    return payload === BUSY || payload === DRAINED ? undefined : this.message.open(payload)
  }

  async readAsync(options: AsyncOptions): Promise<Message<T> | undefined> {
    const wait = this.readWait('Channel.readAsync()', options)
    const { timeoutMs } = wait
    this.ready('readAsync')
    const record = this.consumer.record((payload) => {
      this.message.open(payload)
      return 0
    })
    const result = await this.wait('readAsync', record, timeoutMs, wait)
    return result === DRAINED ? undefined : this.message
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes `message` the next record. False: closed and drained. */
  private advance(wait: Wait | undefined): boolean {
    // Flat, and without a message: what V8 inlines into the user's loop is bounded.
    if (wait !== undefined || this.message.isHeld || this.turns.count !== 0)
      return this.advanceCarefully(wait)
    const payload = this.consumer.next()
    // One comparison: an errno is negative, BUSY and DRAINED are above every index.
    if (payload >>> 0 >= BUSY) return this.advanceCarefully(wait)
    this.message.open(payload)
    return true
  }

  /** advance() when there is not simply a record: says what is wrong, or waits. */
  private advanceCarefully(wait: Wait | undefined): boolean {
    const payload = this.next('read', timeoutOf('Channel.read()', wait))
    if (payload === DRAINED) return false
    this.message.open(payload)
    return true
  }

  /** A value to keep: copied out, and its record released, also when the codec cannot read it. */
  private keep(payload: number, codec: Codec<T>): T {
    const { consumer } = this
    const length = consumer.lengthBytes
    try {
      return codec.read(this.views.at(payload, length))
    } finally {
      consumer.release()
      this.counters[BYTES_COPIED] += length
    }
  }

  private next(verb: string, timeoutMs: number): number {
    this.ready(verb)
    if (this.turns.count !== 0) throw this.turnError(verb, 'receiveAsync')
    const payload = this.consumer.next()
    if (payload >= 0 && payload !== BUSY) return payload
    return payload === BUSY ? this.nextBlocking(verb, timeoutMs) : this.refuse(payload, verb)
  }

  private tryNext(verb: string): number {
    this.ready(verb)
    if (this.turns.count !== 0) return BUSY
    const payload = this.consumer.next()
    return payload < 0 ? this.refuse(payload, verb) : payload
  }

  private nextBlocking(verb: string, timeoutMs: number): number {
    this.beforeWait()
    const payload = this.blocked(
      () => `is empty: its producer is ${this.ownerOf(producer)}`,
      () => this.consumer.nextBlocking(deadlineAfter(timeoutMs)),
    )
    return payload < 0 ? this.refuse(payload, verb, timeoutMs) : payload
  }

  private async wait(
    verb: string,
    record: ReturnType<Consumer['record']>,
    timeoutMs: number,
    options: AsyncOptions,
  ): Promise<number> {
    this.beforeWait()
    const result = await this.turns.wait(record, timeoutMs, options)
    return result < 0 ? this.refuse(result, verb, timeoutMs) : result
  }

  private refuse(errno: number, verb: string, timeoutMs?: number): never {
    throw this.error(errno, verb, this.explain(errno, timeoutMs))
  }

  /** Takes the role if this thread does not have it. Throws if it cannot, or holds a message. */
  private ready(verb: string): void {
    this.context.assertLive(verb)
    if (!this.consumer.isJoined && this.consumer.join() < 0) throw this.roleError(role, verb, 'receives')
    if (this.message.isHeld) throw this.inUse(verb, 'holds a message', 'dispose it first')
  }

  private explain(errno: number, timeoutMs: number | undefined): string {
    switch (errno) {
      case -ETIMEDOUT:
        return `nothing to receive in ${timeoutMs} ms; its producer is ${this.ownerOf(producer)}`
      case -EOWNERDEAD:
        return 'its producer died, and all that it had sent was received; more comes when another thread sends'
      case -ENOMEM:
        return this.attachment.noMemory('a record to wait with', 4096)
      case -ECANCELED:
        return 'this thread gave it back while it waited to receive'
      default:
        return 'receiving failed'
    }
  }
}
