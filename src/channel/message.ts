/** Message: a record of a channel, to be read in place. One object a channel, used again for every message. */

import type { Codec } from '../memory/types.ts'
import { staleError } from '../memory/open.ts'
import { dispose } from '../words/dispose.ts'
import { usageError } from '../words/usage.ts'
import type { Consumer } from './consumer.ts'
import type { Turns } from './turns.ts'
import type { Bytes, Views } from './views.ts'

/** One record. It is consumed when the message is disposed: until then its bytes stay, and take room. */
export interface Message<T> extends Disposable {
  /** The record itself, in shared memory: good until the message is disposed. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /** Where it begins in `bytes.buffer`, as in a Loan. */
  readonly byteOffset: number
  /** What the record says: a value to keep, made anew each time. */
  readonly value: T
  /** A reader that died held this record: it may have acted on it. */
  readonly redelivered: boolean
}

export class ReusedMessage<T> implements Message<T> {
  declare private readonly consumer: Consumer
  declare private readonly views: Views
  declare private readonly codec: () => Codec<T>
  declare private readonly turns: Turns
  /** Word index of the record, from read() to dispose; else 0. */
  private payload = 0

  /** `turns`: those of this thread who wait until it is no longer held. */
  constructor(consumer: Consumer, views: Views, codec: () => Codec<T>, turns: Turns) {
    this.consumer = consumer
    this.views = views
    this.codec = codec
    this.turns = turns
  }

  /** next() has just returned a record: it is held. */
  open(payload: number): this {
    this.payload = payload
    return this
  }

  get isHeld(): boolean {
    return this.payload !== 0
  }

  /** It is over, and nobody is told: the end of this channel, for this thread. */
  forget(): void {
    this.payload = 0
  }

  get bytes(): Bytes {
    return this.views.at(this.place('bytes'), this.consumer.lengthBytes)
  }

  get byteOffset(): number {
    return (this.place('byteOffset') << 2) >>> 0
  }

  get value(): T {
    return this.codec().read(this.bytes)
  }

  get redelivered(): boolean {
    return this.isHeld && this.consumer.redelivered
  }

  /** Where the record is. Throws if there is none any more. */
  private place(verb: string): number {
    const { payload } = this
    return payload !== 0 && this.consumer.isAsSeen() ? payload : this.look(verb)
  }

  /** place() when something is not as it was. */
  private look(verb: string): number {
    if (this.payload === 0) throw overError()
    if (!this.consumer.hasEnded()) return this.payload
    this.payload = 0
    throw staleError('Channel', verb)
  }

  [dispose](): void {
    if (this.payload === 0) return
    this.payload = 0
    this.consumer.release()
    if (this.turns.count !== 0) this.turns.next()
  }

  /** For console.log(). */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.payload === 0
      ? 'Message (over)'
      : `Message { byteOffset: ${this.payload * 4}, length: ${this.consumer.lengthBytes} }`
  }
}

function overError(): TypeError {
  return usageError('ERR_PAGEFRAME_RELEASED', "this message was disposed: its bytes are the sender's again")
}
