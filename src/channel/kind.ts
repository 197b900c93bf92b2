/**
 * What a channel is made of, and what happens when two threads ask for different ones.
 *
 *   ChannelObject   0 .. 3          4     5      6          7           8               32
 *                 ┌───────────────┬─────┬──────┬──────────┬───────────┬──────────┬─ ─┬───────────────────┐
 *                 │ object header │ pfn │ type │ openedBy │ typeBytes │ typeName │   │ RawChannel        │   512 bytes
 *                 └───────────────┴─────┴──────┴──────────┴───────────┴──────────┴─ ─┴───────────────────┘
 *
 *   pfn                  the data area: one run of frames, so that one view can cover any record; 0 when the records lie in
 *                        bytes that were given (ring-bytes.ts)
 *   type, typeName       signature and name of what it carries; openedBy: the thread that made it, for messages
 *
 * All of these are written before anybody sees the channel, and never again.
 */

import { threadId } from '../host/workers.ts'
import type { Attachment } from '../memory/attachment.ts'
import { objectHeader, type Found, type Kind, type Met, type Own, type Place } from '../memory/kind.ts'
import { readText, writeText } from '../memory/superblock.ts'
import { bytes, codecOf, json, text, typeSignature, type Codec, type Type } from '../memory/types.ts'
import { assert } from '../words/assert.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { EEXIST, ENOTSUP, ErrnoError } from '../words/errno.ts'
import { combine, i32, layout, newLine, words } from '../words/layout.ts'
import { bytesOf, oneOf, present, showBytes, verbOf, type Size } from '../words/usage.ts'
import { channelProblems } from './check.ts'
import { admitRing, readRing } from './ring-bytes.ts'
import { endChannel, initChannel, LEAST_CAPACITY_BYTES, MOST_CAPACITY_BYTES, RawChannel } from './ring.ts'

export const ChannelObject = layout('Channel', 512, {
  ...objectHeader,
  pfn: i32,
  type: i32,
  openedBy: i32,
  typeBytes: i32,
  typeName: words(16),
  _raw: newLine,
  raw: words(96),
})

const { pfn, type, openedBy, typeBytes, typeName } = ChannelObject
assert(RawChannel.sizeof === 96, 'a RawChannel has 96 words')

export const CHANNEL_SIGNATURE = combine(ChannelObject, RawChannel)

/** Offset of the RawChannel. */
export const { raw } = ChannelObject

const DEFAULT_CAPACITY_BYTES = 2 ** 20
const ENDS = ['one', 'many'] as const

export interface ChannelOptions<T = Uint8Array> extends Place {
  /** What it carries: `bytes` if absent, `text`, `json<Job>()`. */
  of?: Type<T>
  /** Room for records, each with 8 bytes of header: rounded up to a power of two, 4 KiB to 1 GiB; 1 MiB if absent. */
  capacity?: Size
  /**
   * Bytes of the same memory in which the records shall lie, instead of frames of its own: a Region's, or those of a
   * window of the machine. They begin on 4 KiB; their length, a power of two, is the capacity. The channel borrows them:
   * keep them for as long as it is used, write nothing there, and let one channel have them at a time. destroy() leaves
   * them alone.
   */
  ring?: Uint8Array<SharedArrayBuffer>
  /** How many threads send. Only 'one' is there yet. */
  from?: 'one' | 'many'
  /** How many threads receive. Only 'one' is there yet. */
  to?: 'one' | 'many'
}

const known: readonly Codec<unknown>[] = [bytes, text, json()]

/** The codec for what an existing channel carries, or undefined if this thread cannot know it. */
export function codecAt(attachment: Attachment, at: number): Codec<unknown> | undefined {
  const signature = attachment.cpu.load(at + type)
  return known.find((each) => typeSignature(each) === signature)
}

export function typeNameAt({ cpu }: Attachment, at: number): string {
  return readText(cpu, at + typeBytes, at + typeName)
}

export function channelKind<X extends Met>(make: (found: Found) => X): Kind<ChannelOptions<never>, X> {
  return {
    name: 'Channel',
    layout: {
      sizeof: ChannelObject.sizeof,
      signature: CHANNEL_SIGNATURE,
      life: raw + RawChannel.state,
    },
    read,
    admit: (attachment, call, { ring }: ChannelOptions<never>) => {
      if (ring !== undefined) admitRing(attachment, call, ring)
    },
    build,
    compare,
    demolish,
    noMemory: (attachment, options) => attachment.noMemory(labelFor(options), roomOf(options)),
    make,
    check,
  }
}

function read(call: string, options: ChannelOptions<never>): Own<ChannelOptions<never>> {
  const { of, capacity, ring, from = 'many', to = 'many' } = options
  const codec = of === undefined ? undefined : codecOf(call, of)
  const bytesAsked =
    capacity === undefined ? undefined : bytesOf(call, 'capacity', capacity, MOST_CAPACITY_BYTES)
  const given = ring === undefined ? undefined : readRing(call, ring, rounded(bytesAsked))
  oneOf(call, 'from', from, ENDS)
  oneOf(call, 'to', to, ENDS)
  if (from === 'many' || to === 'many') {
    throw new ErrnoError(
      ENOTSUP,
      verbOf(call),
      `${call}: a channel with many threads at an end is not there yet: say { from: 'one', to: 'one' }`,
    )
  }
  return present<Own<ChannelOptions<never>>>({ of: codec, capacity: bytesAsked, ring: given, from, to })
}

function build(attachment: Attachment, at: number, options: ChannelOptions<never>): number {
  const { cpu } = attachment
  const capacityBytes = capacityOf(options)
  const of = options.of ?? bytes
  const dataAt =
    options.ring === undefined ? allotRun(attachment, at, capacityBytes) : options.ring.byteOffset / 4
  if (dataAt < 0) return dataAt
  cpu.store(at + type, typeSignature(of))
  cpu.store(at + openedBy, threadId)
  writeText(cpu, at + typeBytes, at + typeName, of.$type)
  initChannel(cpu, at + raw, dataAt, capacityBytes / 4, attachment.frames.generationOf(at))
  return 0
}

/** Room of the channel's own: the word where it begins, or -ENOMEM. */
function allotRun({ cpu, frames }: Attachment, at: number, capacityBytes: number): number {
  const run = frames.allocRun(capacityBytes, { keepContents: true })
  if (run < 0) return run
  cpu.store(at + pfn, run)
  frames.own(run, at)
  return run * PAGE_WORDS
}

function compare(attachment: Attachment, at: number, name: string, options: ChannelOptions<never>): void {
  const { cpu } = attachment
  const refuse = (there: string, asked: string): never => {
    const opener = `opened by thread ${cpu.load(at + openedBy)}`
    throw new ErrnoError(
      EEXIST,
      'open',
      `Channel '${name}' exists and ${there} (${opener}); this thread asked for ${asked}`,
    )
  }
  const of = options.of ?? bytes
  if (typeSignature(of) !== cpu.load(at + type)) refuse(`carries ${typeNameAt(attachment, at)}`, of.$type)
  const there = capacityAt(attachment, at)
  const asked = capacityOf(options)
  const saysSize = options.capacity !== undefined || options.ring !== undefined
  if (saysSize && asked !== there) refuse(`has ${showBytes(there)}`, showBytes(asked))
  if (options.ring === undefined) return
  const dataByte = cpu.load(at + raw + RawChannel.data) * 4
  const { byteOffset } = options.ring
  if (byteOffset === dataByte) return
  const place = isLent(attachment, at) ? `in a ring at byte ${dataByte} of the memory` : 'in room of its own'
  refuse(`has its records ${place}`, `a ring at byte ${byteOffset}`)
}

/** What does not add up in a channel at rest. */
export function check(attachment: Attachment, at: number): Iterable<string> {
  return channelProblems(attachment, at + raw, `a Channel at ${at}`, !isLent(attachment, at))
}

/** The records lie in bytes that were given. For a channel that exists. */
function isLent({ cpu }: Attachment, at: number): boolean {
  return cpu.load(at + pfn) === 0
}

export function demolish(attachment: Attachment, at: number): void {
  endChannel(attachment.cpu, at + raw)
  const run = attachment.cpu.exchange(at + pfn, 0)
  if (run !== 0) attachment.frames.freeRun(run)
}

export function capacityAt({ cpu }: Attachment, at: number): number {
  return cpu.load(at + raw + RawChannel.capacity) * 4
}

function capacityOf({ ring, capacity = DEFAULT_CAPACITY_BYTES }: ChannelOptions<never>): number {
  if (ring !== undefined) return ring.byteLength
  return rounded(bytesOf('Channel', 'capacity', capacity, MOST_CAPACITY_BYTES))
}

/** What it takes of the memory, for people: its cell alone where the bytes for records are given. */
function roomOf(options: ChannelOptions<never>): number {
  return options.ring === undefined ? capacityOf(options) : ChannelObject.sizeof * 4
}

function rounded(asked: number): number
function rounded(asked: number | undefined): number | undefined
function rounded(asked: number | undefined): number | undefined {
  if (asked === undefined) return undefined
  let bytesWanted = LEAST_CAPACITY_BYTES
  while (bytesWanted < asked) bytesWanted *= 2
  return bytesWanted
}

function labelFor({ name }: ChannelOptions<never>): string {
  return name === undefined ? 'Channel' : `Channel '${name}'`
}
