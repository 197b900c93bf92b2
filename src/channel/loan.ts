/** Loan: room in a channel, to be written in place. One object a channel, used again for every loan. */

import { staleError } from '../memory/open.ts'
import { dispose } from '../words/dispose.ts'
import { integer, usageError } from '../words/usage.ts'
import type { Producer } from './producer.ts'
import type { Turns } from './turns.ts'
import type { Bytes, Views } from './views.ts'

/** Room for one record. commit() sends it; disposed before that, it is given back and nobody ever saw it. */
export interface Loan extends Disposable {
  /** The room itself, in shared memory. Old contents are there still: write all that you commit. */
  readonly bytes: Uint8Array<SharedArrayBuffer>
  /**
   * Where it begins in `bytes.buffer`, for views that were made once over all of it: `words[loan.byteOffset / 4]`. Asking
   * a view on shared memory for its own byteOffset is a slow call in V8.
   */
  readonly byteOffset: number
  /** Sends the first `lengthBytes` bytes, or all. EPIPE if the channel was closed meanwhile: then the loan is over. */
  commit(lengthBytes?: number): void
}

export class ReusedLoan implements Loan {
  declare private readonly producer: Producer
  declare private readonly views: Views
  declare private readonly turns: Turns
  declare private readonly closedError: () => Error
  /** Word index of the room, from the claim to commit() or dispose; else 0. */
  private payload = 0
  private lengthBytes = 0

  /** `turns`: those of this thread who wait until it is no longer out. `closedError`: what commit() throws after a close. */
  constructor(producer: Producer, views: Views, turns: Turns, closedError: () => Error) {
    this.producer = producer
    this.views = views
    this.turns = turns
    this.closedError = closedError
  }

  /** A claim has just been made: the loan is out. */
  open(payload: number, lengthBytes: number): this {
    this.payload = payload
    this.lengthBytes = lengthBytes
    return this
  }

  get isOut(): boolean {
    return this.payload !== 0
  }

  /** It is over, and nobody is told: the end of this channel, for this thread. */
  forget(): void {
    this.payload = 0
  }

  get bytes(): Bytes {
    return this.views.at(this.place('bytes'), this.lengthBytes)
  }

  get byteOffset(): number {
    return (this.place('byteOffset') << 2) >>> 0
  }

  commit(lengthBytes?: number): void {
    this.place('commit')
    const length = lengthBytes === undefined ? this.lengthBytes : this.part(lengthBytes)
    this.payload = 0
    this.producer.commit(length)
    if (this.turns.count !== 0) this.turns.next()
  }

  /** Where the room is. Throws if `verb` cannot be done. */
  private place(verb: string): number {
    const { payload } = this
    return payload !== 0 && this.producer.isOpen() ? payload : this.look(verb)
  }

  /** place() when something is not as it should be. */
  private look(verb: string): number {
    const { producer, payload } = this
    if (payload === 0) throw overError()
    if (verb === 'commit' ? !producer.isOver : !producer.isGone) return payload
    this.payload = 0
    if (producer.isGone) throw staleError('Channel', verb)
    this.turns.next()
    throw this.closedError()
  }

  private part(lengthBytes: number): number {
    return integer('Loan.commit()', 'lengthBytes', lengthBytes, 0, this.lengthBytes)
  }

  [dispose](): void {
    if (this.payload === 0) return
    this.payload = 0 // a claim that is not committed is forgotten: see Producer
    this.turns.next()
  }

  /** For console.log(). */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.payload === 0
      ? 'Loan (over)'
      : `Loan { byteOffset: ${this.payload * 4}, length: ${this.lengthBytes} }`
  }
}

function overError(): TypeError {
  return usageError('ERR_PAGEFRAME_RELEASED', 'this loan is over: it was committed or disposed')
}
