/**
 * The three ways to get a thing, the same for each class: create, open by name, from a handle.
 */

import { LINE_WORDS } from '../words/constants.ts'
import { EEXIST, ENOENT, EPROTO, ErrnoError, ESTALE } from '../words/errno.ts'
import { signatureOf } from '../words/layout.ts'
import { assertOptions, present, typeError, usageError, verbOf } from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import { attachmentById, defaultAttachment } from './inventory.ts'
import { Found, handleIn, type AnyKind, type Kind, type Met, type Place } from './kind.ts'
import { find, findOrMake, type Wanted } from './naming.ts'

/** `new X(options)`. EEXIST if the name is taken. */
export function create(kind: AnyKind, call: string, given: Place): Found {
  const options = readOptions(kind, call, given)
  const attachment = attachmentOf(call, options)
  kind.admit?.(attachment, call, options)
  const { name } = options
  if (name === undefined) return build(attachment, kind, call, options)
  return findOrMake(attachment, {
    kind: signatureOf(kind.name),
    name,
    call,
    found: () => {
      throw new ErrnoError(
        EEXIST,
        verbOf(call),
        `${kind.name} '${name}' exists; ${kind.name}.open() attaches to it`,
      )
    },
    make: () => {
      const at = prepare(attachment, kind, call, options)
      return { at, made: new Found(attachment, at) }
    },
  })
}

/** `X.open(name, options)`: attaches, or creates. Exactly one caller creates. */
export function open<O extends Place, X extends Met>(
  kind: Kind<O, X>,
  name: string,
  given: O,
  mayCreate = true,
): X {
  const call = `${kind.name}.open()`
  const options = readOptions(kind, call, given)
  const attachment = attachmentOf(call, options)
  kind.admit?.(attachment, call, options)
  const wanted: Wanted<X> = {
    kind: signatureOf(kind.name),
    name,
    call,
    found: (at) => {
      assertSameLayout(attachment, kind, at, name)
      kind.compare(attachment, at, name, options)
      return objectAt(attachment, kind, at)
    },
  }
  if (mayCreate) {
    const make = () => {
      const at = prepare(attachment, kind as unknown as AnyKind, call, { ...options, name })
      return { at, made: kind.make(new Found(attachment, at)) }
    }
    return findOrMake(attachment, { ...wanted, make })
  }
  const there = find(attachment, wanted)
  if (there !== undefined) return there
  throw new ErrnoError(ENOENT, 'open', `${kind.name} '${name}' does not exist; say its size to create it`)
}

/** `X.from(handle)`: what arrived in a message. */
export function from<O extends Place, X extends Met>(kind: Kind<O, X>, value: unknown): X {
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

function objectAt<O extends Place, X extends Met>(attachment: Attachment, kind: Kind<O, X>, at: number): X {
  const known = attachment.objects.get(at) as X | undefined
  if (known?.generation === attachment.frames.generationOf(at)) return known
  return kind.make(new Found(attachment, at))
}

/** A plain object with what the options say: a getter is asked once, here, and not again when something has changed. */
function readOptions<O extends Place, X extends Met>(kind: Kind<O, X>, call: string, options: O): O {
  assertOptions(call, options)
  const { memory, name } = options
  return { ...kind.read(call, options), ...present<Place>({ memory, name }) } as O
}

/** Makes an anonymous object. */
function build(attachment: Attachment, kind: AnyKind, call: string, options: Place): Found {
  const at = prepare(attachment, kind, call, options)
  attachment.frames.publishCell(at)
  return new Found(attachment, at)
}

/** Makes an object but for its publication. */
function prepare(attachment: Attachment, kind: AnyKind, call: string, options: Place): number {
  const at = attachment.frames.allocCell(
    kind.layout.signature,
    kind.layout.sizeof,
    kind.layout.sizeof % LINE_WORDS === 0,
    kind.layout.life,
  )
  if (at < 0) throw new ErrnoError(at, verbOf(call), kind.noMemory(attachment, options))
  const built = kind.build(attachment, at, options)
  if (built < 0) {
    attachment.frames.freeCell(at)
    throw new ErrnoError(built, verbOf(call), kind.noMemory(attachment, options))
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

/** The error of a thing that is no more. */
export function staleError(kindName: string, verb: string): ErrnoError {
  return new ErrnoError(ESTALE, verb, `this ${kindName} was destroyed; make or open another one`)
}
