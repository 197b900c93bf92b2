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
 *   spare                of a watched lock: its class, plus one (locks/diagnostics/notes.ts)
 *
 * A thing is its own handle: the only enumerable data of a SharedObject are { $pageframe, memory, at, generation }, so it
 * can be posted, put into workerData or returned from a pool as it is, and `X.from(it)` finds it again.
 *
 * Invariants
 *  1. Within a thread there is one SharedObject for a cell and generation, whatever copy of the package made it.
 *  2. An object is LIVE only when all of its words are written; a thread that dies before leaves a cell that the reaper
 *     frees.
 */

import { Cell } from '../frames/slab.ts'
import type { Guard } from '../sync/guard.ts'
import type { Attachment } from './attachment.ts'
import { nameOf, objectEntry, unbindLocked, withDirectory } from './directory.ts'
import { Found, type AnyKind, type Handle, type Place } from './kind.ts'
import { create, staleError } from './open.ts'
import { watcherOf } from './watchers.ts'

export abstract class SharedObject implements Handle {
  declare readonly $pageframe: string
  declare readonly memory: string
  declare readonly at: number
  declare readonly generation: number

  readonly #kind: AnyKind
  #attachment: Attachment
  #guard: Guard | undefined

  protected constructor(kind: AnyKind, options: Place | Found) {
    const { attachment, at, generation } =
      options instanceof Found ? options : create(kind, `new ${kind.name}()`, options)
    this.$pageframe = kind.name
    this.memory = attachment.id
    this.at = at
    this.generation = generation
    this.#kind = kind
    this.#attachment = attachment
    attachment.objects.set(at, this)
    if (attachment.lockDiagnostics !== 0) {
      const isNew = !(options instanceof Found) && attachment.cpu.load(at + objectEntry) === 0
      watcherOf(kind.name)?.(this, attachment, isNew)
    }
  }

  /** The name under which open() finds it, or undefined. */
  get name(): string | undefined {
    this.assertLive('name')
    return nameOf(this.#attachment, this.#attachment.cpu.load(this.at + objectEntry))
  }

  /**
   * Ends the thing for everybody: its memory is free for others, its name too, and every use in any thread throws ESTALE.
   * Nobody may be using it any more; whoever waits for it gets ESTALE. The bytes of a Region or a Channel are free for
   * anything; the place of the thing itself, some hundred bytes, for things of its kind.
   */
  destroy(): void {
    this.assertLive('destroy')
    const attachment = this.#attachment
    try {
      withDirectory(attachment, () => {
        this.#end(attachment)
      })
    } finally {
      attachment.objects.delete(this.at)
    }
  }

  /** The directory is locked. */
  #end(attachment: Attachment): void {
    const { at, generation } = this
    if (!attachment.frames.isLive(at, generation, this.#kind.layout.signature)) return
    // Ours alone from here on: if this thread dies, the reaper ends what it began.
    attachment.frames.unpublishCell(at)
    unbindLocked(attachment, attachment.cpu.load(at + objectEntry))
    // First of all: who is about to wait, and would leave something behind that is taken apart below, is out then.
    attachment.lot.endWaits(at, at + this.#kind.layout.sizeof)
    try {
      this.#kind.demolish(attachment, at)
    } finally {
      attachment.frames.freeCell(at) // also when debug mode finds that somebody wrote past the end
    }
  }

  /** `[object Mutex]`. */
  get [Symbol.toStringTag](): string {
    return this.$pageframe
  }

  /** For subclasses: throws ESTALE when the thing was destroyed. One plain load. */
  protected assertLive(verb: string): void {
    if (this.isLive) return
    this.#attachment.assertSound() // a poisoned memory says why
    throw staleError(this.$pageframe, verb)
  }

  /** It was not destroyed, nor is being: destroy() takes the status away before anything else. */
  protected get isLive(): boolean {
    return this.#attachment.cpu.plainLoad(this.at + Cell.status) === -this.generation
  }

  /** For subclasses: what their waits look at, to end when it is destroyed. */
  protected get guard(): Guard {
    const { at, generation } = this
    return (this.#guard ??= {
      at: at + Cell.status,
      own: -generation, // as in isLive
      first: at,
      end: at + this.#kind.layout.sizeof,
    })
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
