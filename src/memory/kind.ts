/**
 * Kinds of shared objects, and handles: what stands for an object in a message, and what a class tells this floor about
 * itself.
 */

import { i32 } from '../words/layout.ts'
import type { Attachment } from './attachment.ts'

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

/** A kind's own options, without those that every kind has. */
export type Own<O extends Place> = Omit<O, keyof Place>

/** An object that this thread has met: all that this file knows of SharedObject. */
export interface Met {
  readonly generation: number
}

/** One class of shared objects, for open.ts and for the reaper. */
export interface Kind<O extends Place, X extends Met> {
  /** As users know it: 'Mutex'. It stands in handles. */
  readonly name: string
  readonly layout: {
    readonly sizeof: number
    readonly signature: number
    /** As SlabCache.life. */
    readonly life?: number
  }
  /** Reads the kind's own options, each once, and checks them, before anything has changed. What follows gets the result. */
  readonly read: (call: string, options: O) => Own<O>
  /** Checks the options against the memory that they are for, before anything has changed. */
  readonly admit?: (attachment: Attachment, call: string, options: O) => void
  /** Writes the words of a new object. Returns 0 or a negative errno, then with nothing left behind. */
  readonly build: (attachment: Attachment, at: number, options: O) => number
  /** Throws EEXIST if the options that were given contradict an object that exists. */
  readonly compare: (attachment: Attachment, at: number, name: string, options: O) => void
  /** Frees what `build` allocated. */
  readonly demolish: (attachment: Attachment, at: number) => void
  /** The text of the ENOMEM error. */
  readonly noMemory: (attachment: Attachment, options: O) => string
  readonly make: (found: Found) => X
  /**
   * For locks: the threads that hold one, as its own words say at this moment. With `forReader` those only who keep a new
   * reader out. Anything may be written there meanwhile.
   */
  readonly holders?: (attachment: Attachment, at: number, forReader?: boolean) => readonly Holder[]
  /** What does not add up in an object at rest, in sentences. */
  readonly check?: (attachment: Attachment, at: number) => Iterable<string>
}

/** A thread that holds a lock, and how. */
export interface Holder {
  readonly tid: number
  /** By an asynchronous form: not the thread holds it but a task of it, and the thread goes on. */
  readonly isAsync: boolean
  /** Of a lock that can be held in more than one way. */
  readonly mode?: 'read' | 'write'
}

/** A cell that exists, or is built and yet to be published: what constructors of shared objects take besides options. */
export class Found {
  readonly attachment: Attachment
  readonly at: number
  readonly generation: number

  constructor(attachment: Attachment, at: number) {
    this.attachment = attachment
    this.at = at
    this.generation = attachment.frames.generationOf(at)
  }
}

export type AnyKind = Kind<Place, Met>

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

/** The from() of a kind's class, if this thread has loaded it. */
export function fromOf(name: string): ((value: unknown) => unknown) | undefined {
  return kinds.get(name)?.fromHandle
}

/** The kinds of objects that this thread has loaded. */
export function* knownKinds(): Generator<AnyKind> {
  for (const { kind } of kinds.values()) if (kind !== undefined) yield kind
}
