/**
 * Channel: records from one thread to another, through memory that both see.
 *
 *   sending thread                                    receiving thread
 *   send(value)          copies in     ┌────────┐     receive()   copies out, a value to keep
 *   loan(n) ─ commit()   in place   ──►│  ring  │──►  read()      in place, until it is disposed
 *   batch(work)          one publish   └────────┘     for (const value of channel), for await
 *
 * One class for both ends. A thread takes a role when it first sends or receives, and has it until it disposes the channel
 * or dies; a second producer or consumer gets EBUSY. How records lie, and what a death leaves: ring.ts.
 */

import type { AsyncOptions as AsyncWait } from '../memory/async-waits.ts'
import { Found, registerKind, type Kind } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open } from '../memory/open.ts'
import { bytes, codecOf, type Codec } from '../memory/types.ts'
import { dispose } from '../words/dispose.ts'
import { atOnce, present, typeError, usageError } from '../words/usage.ts'
import type { Context, Wait } from './end.ts'
import {
  capacityAt,
  ChannelObject,
  channelKind,
  codecAt,
  raw,
  typeNameAt,
  type ChannelOptions,
} from './kind.ts'
import type { Loan } from './loan.ts'
import type { Message } from './message.ts'
import { Receiver } from './receiver.ts'
import { closeChannel, countRecords, isClosed, RawChannel } from './ring.ts'
import { Sender } from './sender.ts'
import { readableOf, writableOf } from './streams.ts'
import { Views } from './views.ts'

/** What values come out of. */
export interface Source<T> extends Iterable<T>, AsyncIterable<T>, Disposable {
  /** The next value, to keep; undefined when closed and drained. Blocks while there is none. */
  receive(wait?: Wait): T | undefined
  tryReceive(): T | undefined
  receiveAsync(wait?: AsyncWait): Promise<T | undefined>
  /** The next record in place, until it is disposed; undefined when closed and drained. Blocks while there is none. */
  read(wait?: Wait): Message<T> | undefined
  tryRead(): Message<T> | undefined
  readAsync(wait?: AsyncWait): Promise<Message<T> | undefined>
  readonly closed: boolean
  toReadable(): ReadableStream<T>
}

const learn = Symbol.for('pageframe.channel.learn')

/**
 * A queue from one thread to another.
 *
 * @example
 *   const jobs = Channel.open('jobs', { of: json<Job>(), from: 'one', to: 'one' })
 *   jobs.send({ id: 1 })                        // worker A
 *   for (const job of jobs) work(job)           // worker B: blocks
 *   for await (const job of jobs) work(job)     // the main thread: does not
 *
 * @example
 *   // The records lie in bytes that you hold: a Region's here, or those of a machine's window. Two who give other bytes
 *   // for one name are told so (EEXIST).
 *   const ring = Region.open('jobs ring', '1MiB').bytes
 *   const jobs = Channel.open('jobs', { ring, of: json<Job>(), from: 'one', to: 'one' })
 */
export class Channel<T = Uint8Array> extends SharedObject implements Source<T> {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #context = this.attachment
  readonly #cpu = this.#context.cpu
  readonly #statusAt = this.at + ChannelObject.status
  readonly #live = -this.generation
  readonly #ends = this.#contextOfEnds()
  // One thread may be both ends, and waits then for what it has in a batch itself.
  readonly #sender: Sender<T> = new Sender<T>(this.#ends, () => {
    this.#receiver.consumer.publishEarly()
  })
  readonly #receiver: Receiver<T> = new Receiver<T>(this.#ends, () => {
    this.#sender.producer.publishEarly()
  })
  #codec = codecAt(this.#context, this.at) as Codec<T> | undefined

  /**
   * A new channel. ENOTSUP without { from: 'one', to: 'one' }; ENOMEM; EEXIST if the name is taken. For a `ring` that will
   * not do: ERR_PAGEFRAME_RING_BUFFER (of another memory), _RING_ALIGNMENT (not on 4 KiB), _RING_LENGTH (no power of two).
   */
  constructor(options: ChannelOptions<T> | Found = {}) {
    const settled = settle(options)
    super(CHANNEL, settled)
    if (!(settled instanceof Found)) this[learn](settled)
  }

  /** Attaches to the channel of that name, or creates it. EEXIST if it carries something else, or has another capacity or ring. */
  static open<T = Uint8Array>(name: string, options: Omit<ChannelOptions<T>, 'name'> = {}): Channel<T> {
    const settled = settle(options)
    const channel = open(CHANNEL as unknown as Kind<ChannelOptions<T>, Channel<T>>, name, settled)
    channel[learn](settled)
    return channel
  }

  /** The channel of a handle that arrived in a message. */
  static from<T = Uint8Array>(handle: unknown): Channel<T> {
    return from(CHANNEL as unknown as Kind<ChannelOptions<T>, Channel<T>>, handle)
  }

  // ── sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Sends a copy of a value; blocks while there is no room.
   *
   * Throws ErrnoError: EPIPE (closed, or the consumer died and no other has come), EMSGSIZE (larger than half the ring),
   * ETIMEDOUT, EBUSY (another thread sends), EDEADLK (a sendAsync() of this thread is waiting), ESTALE (destroyed).
   */
  send(value: T, wait?: Wait): void {
    this.#sending('send').send(value, wait)
  }

  /** Sends if there is room. False: there is none. */
  trySend(value: T): boolean {
    return this.#sending('trySend').trySend(value)
  }

  /** Sends without blocking the thread, in the order of the calls. Bytes are not to be changed until then. */
  async sendAsync(value: T, wait: AsyncWait = {}): Promise<void> {
    await this.#sending('sendAsync').sendAsync(value, wait)
  }

  /** Room for a record, to be written in place and sent by commit(). One at a time; blocks while there is none. */
  loan(lengthBytes: number, wait?: Wait): Loan {
    return this.#sender.loan(lengthBytes, wait)
  }

  /** A loan if there is room, else null. */
  tryLoan(lengthBytes: number): Loan | null {
    return this.#sending('tryLoan').tryLoan(lengthBytes)
  }

  /** A loan, without blocking the thread. */
  async loanAsync(lengthBytes: number, wait: AsyncWait = {}): Promise<Loan> {
    return this.#sending('loanAsync').loanAsync(lengthBytes, wait)
  }

  // ── receiving ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The next value, to keep; undefined when the channel is closed and drained. Blocks while there is none.
   *
   * Throws ErrnoError: EOWNERDEAD (drained, and the producer died), ETIMEDOUT, EBUSY (another thread receives), EDEADLK (a
   * receiveAsync() of this thread is waiting), ESTALE (destroyed).
   */
  receive(wait?: Wait): T | undefined {
    return this.#receiving('receive').receive(wait)
  }

  /** The next value if there is one, else undefined: `closed` tells whether there may be more. */
  tryReceive(): T | undefined {
    return this.#receiving('tryReceive').tryReceive()
  }

  /** The next value, without blocking the thread, in the order of the calls. */
  async receiveAsync(wait: AsyncWait = {}): Promise<T | undefined> {
    return this.#receiving('receiveAsync').receiveAsync(wait)
  }

  /** The next record in place; it is consumed when the message is disposed. One at a time. */
  read(wait?: Wait): Message<T> | undefined {
    return this.#receiver.read(wait)
  }

  /** The next record in place, if there is one. */
  tryRead(): Message<T> | undefined {
    return this.#receiving('tryRead').tryRead()
  }

  /** The next record in place, without blocking the thread. */
  async readAsync(wait: AsyncWait = {}): Promise<Message<T> | undefined> {
    return this.#receiving('readAsync').readAsync(wait)
  }

  /** Values to keep, until the channel is closed and drained. Blocks. */
  *[Symbol.iterator](): Generator<T, void, undefined> {
    for (let value = this.receive(); value !== undefined; value = this.receive()) yield value
  }

  /** The same without blocking. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for (;;) {
      const value = await this.receiveAsync()
      if (value === undefined) return
      yield value
    }
  }

  // ── both ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Runs `work`; what it sends is published at its end, all at once and with one wake-up (or earlier, when the ring is
   * full), and what it consumes is given back likewise. A batch does not last beyond an `await`: if
   * `work` returns a promise, what it has sent by then is published, and ERR_PAGEFRAME_INVALID_ARGUMENT is thrown.
   */
  batch<R>(work: () => R): R {
    if (typeof work !== 'function') throw typeError('Channel.batch()', 'work', 'a function', work)
    const { batches } = this.#sender.producer
    this.#setBatches(batches + 1)
    let result: R
    try {
      result = work()
    } finally {
      this.#setBatches(batches)
    }
    return atOnce('Channel.batch()', 'work', result, 'await before or after it')
  }

  /**
   * Ends the channel: sends and commits fail with EPIPE from now on, and what was sent can still be received. Any thread
   * may; what another one sends at the same moment may not be received any more.
   */
  close(): void {
    this.#assertOwn('close')
    this.#publishOwn()
    closeChannel(this.#context.lot, this.at + raw)
  }

  get closed(): boolean {
    this.#assertOwn('closed')
    return isClosed(this.#context.cpu, this.at + raw)
  }

  /** Records that were sent and not yet consumed. They may be more or fewer by the time you look. */
  get length(): number {
    this.#assertOwn('length')
    return countRecords(this.#context.cpu, this.at + raw)
  }

  /** Values to keep, as a web stream. */
  toReadable(): ReadableStream<T> {
    return readableOf<T>(this)
  }

  /** A web stream that sends what is written to it; closing it closes the channel. */
  toWritable(): WritableStream<T> {
    return writableOf<T>(this)
  }

  /**
   * Gives back the roles that this thread has, so that another can take them. The channel stays. Promises of this thread that
   * wait for it are rejected: ErrnoError ECANCELED.
   */
  [dispose](): void {
    if (this.isLive) {
      this.#sender.leave()
      this.#receiver.leave()
    }
  }

  // ── below ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #sending(verb: string): Sender<T> {
    this.#assertOwn(verb)
    return this.#sender
  }

  #receiving(verb: string): Receiver<T> {
    this.#assertOwn(verb)
    return this.#receiver
  }

  /** Shows the consumer what this thread has sent, if it is the producer. */
  #publishOwn(): void {
    const { producer } = this.#sender
    if (producer.isJoined) producer.publish()
  }

  #assertOwn(verb: string): void {
    if (this.#cpu.plainLoad(this.#statusAt) !== this.#live) this.assertLive(verb)
  }

  #contextOfEnds(): Context<T> {
    const context = this.#context
    const dataAt = context.cpu.load(this.at + raw + RawChannel.data)
    const known = () => this.#knownCodec()
    const label = () => this.label
    const guard = () => this.guard
    return {
      attachment: context,
      rawAt: this.at + raw,
      generation: this.generation,
      assertLive: (verb) => {
        this.assertLive(verb)
      },
      views: new Views(context.buffer, dataAt, capacityAt(context, this.at) / 4),
      get label() {
        return label()
      },
      get guard() {
        return guard()
      },
      get codec() {
        return known()
      },
    }
  }

  #knownCodec(): Codec<T> {
    if (this.#codec !== undefined) return this.#codec
    throw usageError(
      'ERR_PAGEFRAME_TYPE',
      `${this.label} carries ${typeNameAt(this.#context, this.at)}, which this thread does not know: ${this.name === undefined ? 'give it a name, and ' : ''}open it by name, with \`of\``,
    )
  }

  /** Takes over the codec that a thread named. By symbol, since another copy of the package may have made the object. */
  [learn]({ of }: { of?: ChannelOptions<T>['of'] }): void {
    this.#codec ??= codecOf<T>('Channel', of ?? (bytes as unknown as Codec<T>))
  }

  #setBatches(count: number): void {
    const { producer } = this.#sender
    const { consumer } = this.#receiver
    producer.batches = count
    consumer.setBatching(count > 0)
    if (count > 0) return
    this.#publishOwn()
    if (consumer.isJoined) consumer.publish()
  }
}

/** What the options say, each read once: `of` is asked for again when the channel is there. What is none is for others to refuse. */
function settle<T>(options: ChannelOptions<T>): ChannelOptions<T>
function settle<T>(options: ChannelOptions<T> | Found): ChannelOptions<T> | Found
function settle<T>(options: ChannelOptions<T> | Found): ChannelOptions<T> | Found {
  if (options instanceof Found || typeof options !== 'object' || (options as unknown) === null) return options
  const { of, capacity, ring, from, to, memory, name } = options
  return present<ChannelOptions<T>>({ of, capacity, ring, from, to, memory, name })
}

const CHANNEL = channelKind((found) => new Channel<never>(found))

registerKind('Channel', (value) => Channel.from(value), CHANNEL)
