/**
 * Shared objects: what every class of pageframe has in common, in memory and in JavaScript.
 *
 *   a cell of a slab   0        1            2       3
 *                    ┌────────┬────────────┬───────┬──────────┬─────────────────
 *                    │ status │ generation │ entry │ (spare)  │ the kind's own words ...
 *                    └────────┴────────────┴───────┴──────────┴─────────────────
 *
 *   status, generation   the slab's (frames/slab.ts): a cell that was freed has another generation, or none
 *   entry                the name's entry in the directory (directory.ts), 0 for an anonymous object
 *
 * A thing is its own handle: the only enumerable data of a SharedObject are { $pageframe, memory, at, generation }, so it
 * can be posted, put into workerData or returned from a pool as it is, and `X.from(it)` finds it again.
 *
 * Invariants
 *  1. Within a thread there is one SharedObject for a cell and generation, whatever copy of the package made it.
 *  2. An object is LIVE only when all of its words are written; a thread that dies before leaves a cell that the reaper
 *     frees.
 */

import { i32, signatureOf } from '../words/layout.ts'
import { LINE_WORDS } from '../words/constants.ts'
import { EEXIST, ENOENT, EPROTO, ErrnoError, ESTALE } from '../words/errno.ts'
import { typeError, usageError } from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import { bind, lookUp, nameOf, objectEntry, unbind, withDirectory } from './directory.ts'
import { attachmentById, defaultAttachment } from './inventory.ts'

/** The first fields of every kind's layout. */
export const objectHeader = { status: i32, generation: i32, entry: i32, spare: i32 } as const

/** What a handle is made of: survives structured cloning. */
export interface Handle {
  readonly $pageframe: string
  readonly memory: string
  readonly at: number
  readonly generation: number
}

/** Options that say where an object lives and what it is called. */
export interface Place {
  /** A SharedMemory; `SharedMemory.default` if absent. */
  memory?: Handle
  /** At most 128 bytes of UTF-8. */
  name?: string
}

/** One class of shared objects, for the functions below and for the reaper. */
export interface Kind<O extends Place, X extends SharedObject> {
  /** As users know it: 'Mutex'. It stands in handles. */
  readonly name: string
  readonly layout: { readonly sizeof: number; readonly signature: number }
  /** Checks the options, before anything has changed. */
  readonly validate: (call: string, options: O) => void
  /** Writes the words of a new object. Returns 0 or a negative errno, then with nothing left behind. */
  readonly build: (attachment: Attachment, at: number, options: O) => number
  /** Throws EEXIST if the options that were given contradict an object that exists. */
  readonly compare: (attachment: Attachment, at: number, name: string, options: O) => void
  /** Frees what `build` allocated. */
  readonly demolish: (attachment: Attachment, at: number) => void
  /** The text of the ENOMEM error. */
  readonly noMemory: (attachment: Attachment, options: O) => string
  readonly make: (found: Found) => X
  /** What does not add up in an object at rest, in sentences. */
  readonly check?: (attachment: Attachment, at: number) => Iterable<string>
}

/** A cell that exists: what the constructors of shared objects take besides options. */
export class Found {
  readonly attachment: Attachment
  readonly at: number

  constructor(attachment: Attachment, at: number) {
    this.attachment = attachment
    this.at = at
  }
}

type AnyKind = Kind<Place, SharedObject>

export abstract class SharedObject implements Handle {
  readonly $pageframe: string
  readonly memory: string
  readonly at: number
  readonly generation: number

  readonly #kind: AnyKind
  #attachment: Attachment

  protected constructor(kind: AnyKind, options: Place | Found) {
    const { attachment, at } =
      options instanceof Found ? options : create(kind, `new ${kind.name}()`, options)
    this.$pageframe = kind.name
    this.memory = attachment.id
    this.at = at
    this.generation = attachment.frames.generationOf(at)
    this.#kind = kind
    this.#attachment = attachment
    attachment.objects.set(at, this)
  }

  /** The name under which open() finds it, or undefined. */
  get name(): string | undefined {
    this.assertLive('name')
    return nameOf(this.#attachment, this.#attachment.cpu.load(this.at + objectEntry))
  }

  /**
   * Ends the thing for everybody: its memory is free for others, its name too, and every use in any thread throws ESTALE.
   * Nobody may be using it any more; whoever waits for it goes on waiting until a time-out.
   */
  destroy(): void {
    this.assertLive('destroy')
    const { at, generation } = this
    const attachment = this.#attachment
    withDirectory(attachment, () => {
      if (!attachment.frames.isLive(at, generation, this.#kind.layout.signature)) return
      // Ours alone from here on: if this thread dies, the reaper ends what it began.
      attachment.frames.unpublishCell(at)
      unbind(attachment, attachment.cpu.load(at + objectEntry))
      this.#kind.demolish(attachment, at)
      attachment.frames.freeCell(at)
    })
    attachment.objects.delete(at)
  }

  /** `[object Mutex]`. */
  get [Symbol.toStringTag](): string {
    return this.$pageframe
  }

  /** For subclasses: throws ESTALE when the thing was destroyed. One plain load. */
  protected assertLive(verb: string): void {
    if (!this.isLive) throw staleError(this.$pageframe, verb)
  }

  protected get isLive(): boolean {
    return this.#attachment.cpu.plainLoad(this.at + 1) === this.generation
  }

  /** For subclasses: how messages name it. */
  protected get label(): string {
    return labelOf(this.#attachment, this.$pageframe, this.at)
  }

  protected get attachment(): Attachment {
    return this.#attachment
  }
}

export function labelOf(attachment: Attachment, kindName: string, at: number): string {
  const name = nameOf(attachment, attachment.cpu.load(at + objectEntry))
  return name === undefined ? kindName : `${kindName} '${name}'`
}

function staleError(kindName: string, verb: string): ErrnoError {
  return new ErrnoError(ESTALE, verb, `this ${kindName} was destroyed; make or open another one`)
}

// ── the three ways to get a thing ─────────────────────────────────────────────────────────────────────────────────

function create(kind: AnyKind, call: string, options: Place): Found {
  kind.validate(call, options)
  const attachment = attachmentOf(call, options)
  const { name } = options
  if (name === undefined) return new Found(attachment, build(attachment, kind, options))
  return withDirectory(attachment, () => {
    if (lookUp(attachment, signatureOf(kind.name), name, call) !== 0) {
      throw new ErrnoError(EEXIST, call, `${kind.name} '${name}' exists; ${kind.name}.open() attaches to it`)
    }
    return new Found(attachment, buildNamed(attachment, kind, name, options))
  })
}

/** `X.open(name, options)`: attaches, or creates. Exactly one caller creates. */
export function open<O extends Place, X extends SharedObject>(
  kind: Kind<O, X>,
  name: string,
  options: O,
  mayCreate = true,
): X {
  const call = `${kind.name}.open()`
  kind.validate(call, options)
  const attachment = attachmentOf(call, options)
  return withDirectory(attachment, () => {
    const found = lookUp(attachment, signatureOf(kind.name), name, call)
    if (found !== 0) {
      assertSameLayout(attachment, kind, found, name)
      kind.compare(attachment, found, name, options)
      return objectAt(attachment, kind, found)
    }
    if (!mayCreate)
      throw new ErrnoError(ENOENT, 'open', `${kind.name} '${name}' does not exist; say its size to create it`)
    return objectAt(attachment, kind, buildNamed(attachment, kind as unknown as AnyKind, name, options))
  })
}

/** `X.from(handle)`: what arrived in a message. */
export function from<O extends Place, X extends SharedObject>(kind: Kind<O, X>, value: unknown): X {
  const call = `${kind.name}.from()`
  const handle = handleIn(value)
  if (handle === undefined)
    throw typeError(call, 'handle', `a ${kind.name} or what one becomes in a message`, value)
  if (handle.$pageframe !== kind.name) {
    throw usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', `${call}: this is a ${handle.$pageframe}`)
  }
  const attachment = attachmentById(handle.memory)
  if (!attachment.frames.isLive(handle.at, handle.generation, kind.layout.signature))
    throw staleError(kind.name, 'from')
  return objectAt(attachment, kind, handle.at)
}

function objectAt<O extends Place, X extends SharedObject>(
  attachment: Attachment,
  kind: Kind<O, X>,
  at: number,
): X {
  const known = attachment.objects.get(at) as X | undefined
  if (known?.generation === attachment.frames.generationOf(at)) return known
  return kind.make(new Found(attachment, at))
}

/** Makes an anonymous object. */
function build(attachment: Attachment, kind: AnyKind, options: Place): number {
  const at = prepare(attachment, kind, options)
  attachment.frames.publishCell(at)
  return at
}

/** Makes a named one. The directory is locked. */
function buildNamed(attachment: Attachment, kind: AnyKind, name: string, options: Place): number {
  const at = prepare(attachment, kind, options)
  const entry = bind(attachment, signatureOf(kind.name), name, at)
  if (entry < 0) {
    kind.demolish(attachment, at)
    attachment.frames.freeCell(at)
    throw new ErrnoError(entry, kind.name, kind.noMemory(attachment, options))
  }
  return at
}

function prepare(attachment: Attachment, kind: AnyKind, options: Place): number {
  const at = attachment.frames.allocCell(
    kind.layout.signature,
    kind.layout.sizeof,
    kind.layout.sizeof % LINE_WORDS === 0,
  )
  if (at < 0) throw new ErrnoError(at, kind.name, kind.noMemory(attachment, options))
  const built = kind.build(attachment, at, options)
  if (built < 0) {
    attachment.frames.freeCell(at)
    throw new ErrnoError(built, kind.name, kind.noMemory(attachment, options))
  }
  return at
}

/** Two copies of pageframe may agree on the memory and not on this kind of object. */
function assertSameLayout(
  attachment: Attachment,
  kind: { name: string; layout: { signature: number } },
  at: number,
  name: string,
): void {
  const { frames } = attachment
  if (frames.isLive(at, frames.generationOf(at), kind.layout.signature)) return
  throw new ErrnoError(
    EPROTO,
    'open',
    `${kind.name} '${name}' was made by a pageframe whose ${kind.name} is laid out otherwise. All threads need one copy: npm ls pageframe`,
  )
}

function attachmentOf(call: string, options: Place): Attachment {
  const { memory } = options
  if (memory === undefined) return defaultAttachment()
  const handle = handleIn(memory)
  if (handle?.$pageframe !== 'SharedMemory') throw typeError(call, 'memory', 'a SharedMemory', memory)
  return attachmentById(handle.memory)
}

// ── handles in messages ───────────────────────────────────────────────────────────────────────────────────────────

/** The handle that a value is, read once, or undefined. */
export function handleIn(value: unknown): Handle | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { $pageframe, memory, at, generation } = value as Partial<Record<keyof Handle, unknown>>
  if (typeof $pageframe !== 'string' || typeof memory !== 'string') return undefined
  if (typeof at !== 'number' || typeof generation !== 'number') return undefined
  return { $pageframe, memory, at, generation }
}

const kinds = new Map<
  string,
  { readonly kind: AnyKind | undefined; readonly fromHandle: (value: unknown) => unknown }
>()

/** Lets revive() find the class of a handle, and check() the kind. Called by the module that defines the class. */
export function registerKind(name: string, fromHandle: (value: unknown) => unknown, kind?: unknown): void {
  kinds.set(name, { kind: kind as AnyKind | undefined, fromHandle })
}

/** The kinds of objects that this thread has loaded. */
export function* knownKinds(): Generator<AnyKind> {
  for (const { kind } of kinds.values()) if (kind !== undefined) yield kind
}

/**
 * Turns every handle in a message, however deep, into the object that it stands for. Arrays, plain objects, Maps and Sets
 * are changed in place; the same message is returned, or the object if the message is a handle itself.
 *
 * Throws ERR_PAGEFRAME_KIND for a handle whose class this thread has not loaded, ESTALE for one that was destroyed.
 */
export function revive<T>(message: T): T {
  return reviveValue(message, new Set()) as T
}

function reviveValue(value: unknown, seen: Set<unknown>): unknown {
  if (typeof value !== 'object' || value === null || seen.has(value)) return value
  const handle = handleIn(value)
  if (handle !== undefined) return reviveHandle(handle, value)
  seen.add(value)

  const tag = Object.prototype.toString.call(value)
  if (Array.isArray(value)) {
    value.forEach((each: unknown, i) => {
      value[i] = reviveValue(each, seen)
    })
  } else if (tag === '[object Map]') {
    const map = value as Map<unknown, unknown>
    const entries = [...map]
    map.clear()
    for (const [key, each] of entries) map.set(reviveValue(key, seen), reviveValue(each, seen))
  } else if (tag === '[object Set]') {
    const set = value as Set<unknown>
    const entries = [...set]
    set.clear()
    for (const each of entries) set.add(reviveValue(each, seen))
  } else if (tag === '[object Object]') {
    const object = value as Record<string, unknown>
    for (const [key, each] of Object.entries(object)) {
      const revived = reviveValue(each, seen)
      if (revived !== each) object[key] = revived
    }
  }
  return value
}

function reviveHandle(handle: Handle, value: object): unknown {
  const known = kinds.get(handle.$pageframe)
  if (known === undefined) {
    throw usageError(
      'ERR_PAGEFRAME_KIND',
      `this message holds a ${handle.$pageframe}, but the worker has not loaded it: import ${homeOf(handle.$pageframe)}`,
    )
  }
  return known.fromHandle(value)
}

function homeOf(kindName: string): string {
  return kindName === 'Channel' || kindName === 'Topic' ? "'pageframe/channel'" : "'pageframe'"
}
