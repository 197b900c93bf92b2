/** The class of one lock among the notes (notes.ts), and what is counted there. All that is counted comes by here. */

import { now } from '../../host/clock.ts'
import { callers } from '../../host/stack.ts'
import type { Attachment } from '../../memory/attachment.ts'
import { nameOf, objectEntry } from '../../memory/directory.ts'
import { STATISTICS } from '../../memory/lock-switch.ts'
import type { Watched } from '../../memory/watchers.ts'
import { bucketOf } from '../../words/histogram.ts'
import { notesOf } from './notes-region.ts'
import { LockClass, OTHERS, SUB_BITS, type Notes } from './notes.ts'

/** Word of a shared object's header (`spare`): the class of a lock, plus one; 0 if nobody has said it. */
const CLASS_WORD = 3

export class ClassOfLock {
  /** Whether the memory counts what its locks do; else the methods named count... do nothing. */
  readonly isCounted: boolean
  readonly #attachment: Attachment
  readonly #object: Watched
  readonly #kind: string
  #notes: Notes | undefined
  #index = OTHERS

  constructor(attachment: Attachment, object: Watched, kind: string) {
    this.#attachment = attachment
    this.#object = object
    this.#kind = kind
    this.isCounted = (attachment.lockDiagnostics & STATISTICS) !== 0
  }

  /** This thread has just made the lock, and it has no name: it is called after the place. */
  isMadeHere(): void {
    const notes = this.notes()
    if (notes === undefined) return
    this.#index = notes.classOf(this.#kind, callers(1)[0] ?? '', false)
    this.#attachment.cpu.store(this.#object.at + CLASS_WORD, this.#index + 1)
    notes.count(this.#index, LockClass.made)
  }

  /** The notes, with `index` known. Not before the lock is used: where it is met, the directory may be locked. */
  notes(): Notes | undefined {
    if (this.#notes !== undefined) return this.#notes
    this.#notes = notesOf(this.#attachment)
    if (this.#notes !== undefined) this.#index = this.#find(this.#notes)
    return this.#notes
  }

  /** OTHERS until notes() was called. */
  get index(): number {
    return this.#index
  }

  #find(notes: Notes): number {
    const { cpu } = this.#attachment
    const { at } = this.#object
    const said = cpu.load(at + CLASS_WORD)
    if (said > 0 && said <= notes.classCount) return said - 1
    const name = nameOf(this.#attachment, cpu.load(at + objectEntry))
    const found = notes.classOf(this.#kind, name ?? '', name !== undefined)
    if (name !== undefined && cpu.compareExchange(at + CLASS_WORD, 0, found + 1) === 0) {
      notes.count(found, LockClass.made)
    }
    return found
  }

  /** An acquisition; with `began`, one that had to wait. */
  countTaken(began = -1, spins = 0, parks = 0): void {
    if (!this.isCounted) return
    const notes = this.notes()
    if (notes === undefined) return
    notes.count(this.#index, LockClass.acquisitions)
    if (began < 0) return
    notes.count(this.#index, LockClass.contended)
    notes.count(this.#index, LockClass.spins, spins)
    notes.count(this.#index, LockClass.parks, parks)
    this.countTime(LockClass.wait, began)
  }

  countTimeout(): void {
    if (this.isCounted) this.notes()?.count(this.#index, LockClass.timeouts)
  }

  /** The time since `began`, in one of the histograms of a class. */
  countTime(histogram: number, began: number): void {
    if (!this.isCounted) return
    const nanoseconds = (now() - began) * 1e6
    this.notes()?.count(this.#index, histogram + bucketOf(nanoseconds, SUB_BITS))
  }
}
