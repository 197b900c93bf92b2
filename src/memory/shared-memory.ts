/**
 * SharedMemory: one memory that every thread of the process may use, as users see it.
 *
 * `SharedMemory.default` exists as soon as the main thread imports pageframe, and every worker started afterwards inherits
 * it, so everyday code never mentions a memory. Another one is for being bigger or apart; its name, if it has one, stands
 * in the directory of the default memory.
 *
 *   NamedMemory (a cell of the default memory)   0        1            2       3    4
 *                                              ┌────────┬────────────┬───────┬────┬─────────┬────┐
 *                                              │ status │ generation │ entry │    │ idBytes │ id │
 *                                              └────────┴────────────┴───────┴────┴─────────┴────┘
 */

import { alignUp } from '../words/bits.ts'
import { GiB, WASM_PAGE_SIZE } from '../words/constants.ts'
import { EEXIST, ErrnoError } from '../words/errno.ts'
import { i32, layout, signatureOf, words } from '../words/layout.ts'
import {
  assertOptions,
  bytesOf,
  present,
  rangeError,
  showBytes,
  typeError,
  usageError,
  type Size,
} from '../words/usage.ts'
import type { Attachment } from './attachment.ts'
import { checkMemory, type CheckReport } from './check.ts'
import { objectEntry, unbindLocked } from './directory.ts'
import {
  attachmentById,
  defaultAttachment,
  destroyMemory,
  LEAST_BYTES,
  makeMemory,
  MOST_BYTES,
} from './inventory.ts'
import { handleIn, objectHeader, registerKind, type Handle, type Place } from './kind.ts'
import { describeSwitch, switchIn, type LockDiagnostics } from './lock-switch.ts'
import { find, findOrMake, type Makeable } from './naming.ts'
import { Region } from './region.ts'
import { readText, writeText } from './superblock.ts'

export const NamedMemory = layout('NamedMemory', 96, {
  ...objectHeader,
  idBytes: i32,
  id: words(16),
  _spare1: words(3),
})

/** Names of memories are names of their own kind. */
const NAMED = signatureOf('SharedMemory')

const DEFAULT_SIZE_BYTES = GiB

export interface SharedMemoryOptions {
  /** 2 MiB to 4 GiB, rounded up to 64 KiB; 1 GiB if absent. Nothing is taken from the host until it is touched. */
  size?: Size
  name?: string
  /** What is noted about its locks; as the environment variable PAGEFRAME_LOCKS says, if absent. */
  locks?: LockDiagnostics
}

/** What `from` and `open` hand to the constructor. */
class Attached {
  readonly attachment: Attachment

  constructor(attachment: Attachment) {
    this.attachment = attachment
  }
}

export class SharedMemory implements Handle {
  readonly $pageframe = 'SharedMemory'
  readonly memory: string
  readonly at = 0
  readonly generation = 0

  readonly #attachment: Attachment

  /** A memory of its own. ENOMEM if the host refuses, EEXIST if the name is taken. */
  constructor(options: SharedMemoryOptions | Attached = {}) {
    const attachment = options instanceof Attached ? options.attachment : make(options)
    this.memory = attachment.id
    this.#attachment = attachment
    attachment.face = this
  }

  /** The memory that is used when none is named: 4 GiB where the host allows it. */
  static get default(): SharedMemory {
    return faceOf(defaultAttachment())
  }

  /** Attaches to the memory of that name, or makes it. EEXIST if a size is given and, rounded up, it has another. */
  static open(name: string, options: Omit<SharedMemoryOptions, 'name'> = {}): SharedMemory {
    const { size: asked, locks } = readOptions('SharedMemory.open()', options)
    const size = asked ?? DEFAULT_SIZE_BYTES
    const home = defaultAttachment()
    const wanted: Makeable<Attachment> = {
      kind: NAMED,
      name,
      call: 'SharedMemory.open()',
      found: (at) => attachmentById(memoryIdIn(home, at)),
      make: () => makeNamed(home, 'open', size, name, locks),
    }
    const attachment = isNameOf(home, name) ? home : findOrMake(home, wanted)
    const there = attachment.buffer.byteLength
    if (asked !== undefined && alignUp(asked, WASM_PAGE_SIZE) !== there) {
      throw new ErrnoError(
        EEXIST,
        'open',
        `SharedMemory '${name}' exists and has ${there} bytes; this thread asked for ${size}`,
      )
    }
    if (locks !== undefined && locks !== attachment.lockDiagnostics) {
      const [theirs, ours] = [describeSwitch(attachment.lockDiagnostics), describeSwitch(locks)]
      throw new ErrnoError(
        EEXIST,
        'open',
        `SharedMemory '${name}' exists and notes ${theirs} of its locks; this thread asked for ${ours}`,
      )
    }
    return faceOf(attachment)
  }

  /** The memory of a handle that arrived in a message. */
  static from(handle: unknown): SharedMemory {
    const found = handleIn(handle)
    if (found === undefined)
      throw typeError(
        'SharedMemory.from()',
        'handle',
        'a SharedMemory or what one becomes in a message',
        handle,
      )
    if (found.$pageframe !== 'SharedMemory') {
      throw usageError('ERR_PAGEFRAME_INVALID_ARGUMENT', `SharedMemory.from(): this is a ${found.$pageframe}`)
    }
    return faceOf(attachmentById(found.memory))
  }

  get name(): string | undefined {
    return this.#attachment.name === '' ? undefined : this.#attachment.name
  }

  /** All of it, in bytes. */
  get byteLength(): number {
    this.#attachment.assertSound()
    return this.#attachment.buffer.byteLength
  }

  /** What is in use, the kernel's own structures included, in bytes. */
  get usedBytes(): number {
    this.#attachment.assertSound()
    return this.#attachment.buffer.byteLength - this.#attachment.frames.freeBytes()
  }

  /** A Region of `size` zero bytes. ENOMEM says what would fit. */
  alloc(size: Size, options: Omit<Place, 'memory'> = {}): Region {
    const call = 'SharedMemory.alloc()'
    this.#attachment.assertSound()
    assertOptions(call, options)
    const { name, memory } = options as Place
    if (memory !== undefined && !this.#isMeantBy(memory)) {
      throw typeError(call, 'memory', 'left out, or the one that alloc() is called on', memory)
    }
    return new Region(present({ name, memory: this, size: bytesOf(call, 'size', size, MOST_BYTES) }))
  }

  /**
   * Recounts everything in this memory: frames, free lists, slabs, names, waits, locks and channels. For a memory at rest:
   * what other threads are in the middle of may be reported. Changes nothing.
   */
  check(): CheckReport {
    this.#attachment.assertSound()
    return checkMemory(this.#attachment)
  }

  /**
   * Ends the memory for everybody and gives its bytes back to the host. Every use in any thread throws ESTALE.
   *
   * The bytes go when the last thread has let go of them. Each does so when its event loop turns, within seconds if it waits,
   * and when it uses this memory or meets another: one that does none of this keeps them. So does what you keep yourself, in
   * any thread: this object, a lock or a Region in there, a Region's `bytes`.
   */
  destroy(): void {
    const attachment = this.#attachment
    attachment.assertSound()
    const home = defaultAttachment()
    if (attachment === home) {
      throw usageError(
        'ERR_PAGEFRAME_DEFAULT_MEMORY',
        'SharedMemory.destroy(): the default memory lasts as long as the process',
      )
    }
    const cell = attachment.name === '' ? 0 : takeName(home, attachment)
    destroyMemory(attachment)
    if (cell !== 0) home.frames.freeCell(cell) // until here: if this thread dies, the supervisor ends the memory
  }

  #isMeantBy(value: unknown): boolean {
    const handle = handleIn(value)
    return handle?.$pageframe === 'SharedMemory' && handle.memory === this.memory
  }
}

function make(options: SharedMemoryOptions): Attachment {
  const { name, size = DEFAULT_SIZE_BYTES, locks } = readOptions('new SharedMemory()', options)
  if (name === undefined) return makeMemory(size, '', undefined, undefined, locks)
  const home = defaultAttachment()
  const found = (): never => {
    throw new ErrnoError(EEXIST, 'new', `SharedMemory '${name}' exists; SharedMemory.open() attaches to it`)
  }
  if (isNameOf(home, name)) found()
  return findOrMake(home, {
    kind: NAMED,
    name,
    call: 'new SharedMemory()',
    found,
    make: () => makeNamed(home, 'new', size, name, locks),
  })
}

/** The default memory has its name from the beginning, and no entry for it in its own directory. */
function isNameOf(home: Attachment, name: string): boolean {
  return name !== '' && name === home.name
}

/** Makes a memory, and the cell of the home memory that its name will stand for. */
function makeNamed(
  home: Attachment,
  verb: string,
  size: number,
  name: string,
  locks: number | undefined,
): { at: number; made: Attachment } {
  const at = home.frames.allocCell(NamedMemory.signature, NamedMemory.sizeof)
  if (at < 0) throw new ErrnoError(at, verb, home.noMemory(`SharedMemory '${name}'`, NamedMemory.sizeof * 4))
  try {
    // Before anybody else hears of it: if this thread dies, the supervisor ends what nobody can find.
    const onId = (id: string) => {
      writeText(home.cpu, at + NamedMemory.idBytes, at + NamedMemory.id, id)
    }
    const made = makeMemory(size, name, onId, undefined, locks)
    return { at, made }
  } catch (error) {
    home.frames.freeCell(at)
    throw error
  }
}

/** The id of the memory that a NamedMemory stands for; '' while it has none. */
export function memoryIdIn({ cpu }: Attachment, at: number): string {
  return readText(cpu, at + NamedMemory.idBytes, at + NamedMemory.id)
}

/** Takes a memory's name away. The cell that it stood for, this thread's now; or 0 if the name is another's by now. */
function takeName(home: Attachment, { id, name }: Attachment): number {
  const taken = find(home, {
    kind: NAMED,
    name,
    call: 'SharedMemory.destroy()',
    found: (at) => {
      if (memoryIdIn(home, at) !== id) return 0
      home.frames.unpublishCell(at)
      unbindLocked(home, home.cpu.load(at + objectEntry))
      return at
    },
  })
  return taken ?? 0
}

function faceOf(attachment: Attachment): SharedMemory {
  return (attachment.face as SharedMemory | undefined) ?? new SharedMemory(new Attached(attachment))
}

interface ReadOptions {
  name?: string
  size?: number
  /** Bits of lock-switch.ts. */
  locks?: number
}

/** What the options say, each asked once. */
function readOptions(call: string, options: SharedMemoryOptions): ReadOptions {
  assertOptions(call, options)
  const { name, size } = options
  const locks = switchIn(call, options.locks)
  if (size === undefined) return present<ReadOptions>({ name, size, locks })
  const lengthBytes = bytesOf(call, 'size', size, MOST_BYTES)
  if (lengthBytes < LEAST_BYTES) {
    throw rangeError(
      `${call}: size must be at least ${showBytes(LEAST_BYTES)}, not ${showBytes(lengthBytes)}`,
    )
  }
  return present<ReadOptions>({ name, size: lengthBytes, locks })
}

registerKind('SharedMemory', (value) => SharedMemory.from(value))
