/**
 * Descriptors: the numbers by which a process knows what it has open. One frame for each process that has opened anything.
 *
 *   process slot: descriptors = pfn ──►  0     1     2     3          4                    1023
 *                                      ┌─────┬─────┬─────┬──────────┬──────────┬─ ... ─┬───────┐
 *                                      │  -  │  -  │  -  │ object   │ 0 = free │       │       │
 *                                      └─────┴─────┴─────┴──────────┴──────────┴─ ... ─┴───────┘
 *
 *   word       bits 31, 30: O_RDONLY, O_WRONLY, O_RDWR, or 3: neither.  29 ... 0: word index of the ShmObject; 0: free
 *   0, 1, 2    are never given out: where Linux has them open from the start, a worker has console and process.stdin
 *
 * Written by     the process (while it is an EMBRYO its parent; after its death the reaper), each word under the lock of the
 *                object that it names, together with the object's count of references
 * Read by        its process; others inside the kernel, for the frame is retired when the process ends
 * A death        in that lock: the references of the object are counted anew, here too (countDescriptors). Before the frame
 *                is linked: it is OWNED by the space, whose teardown frees it
 *
 * Invariants
 *  1. A word that names an object is one reference on it.
 *  2. The lowest free number is given out first (POSIX).
 */

import type { Attachment } from '../memory/attachment.ts'
import { processAt, type ProcessTable } from '../paging/processes.ts'
import type { ObjectStore } from '../storage/objects.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { EBADF, EMFILE, ENOMEM } from '../words/errno.ts'
import { OPEN_MAX } from './constants.ts'

const FIRST = 3
const ACCESS_SHIFT = 30
const OBJECT_MASK = 2 ** ACCESS_SHIFT - 1

/** What this floor needs of a machine. */
export interface IpcKernel {
  readonly attachment: Attachment
  readonly processes: ProcessTable
  readonly objects: ObjectStore
}

/** What a descriptor refers to. */
export interface Referred {
  readonly object: number
  /** O_RDONLY, O_WRONLY or O_RDWR; 3 for neither. */
  readonly access: number
}

/** What a descriptor stands for, in its process. */
export interface Open extends Referred {
  /** Which opening: a number that dup() hands on (Linux: struct file). */
  readonly file: number
}

export interface OpenDescriptor extends Referred {
  readonly fd: number
}

export class Descriptors {
  readonly kernel: IpcKernel
  /** The word of the process slot that says where they are. */
  readonly #wordAt: number
  readonly #spaceAt: number
  /** Of each descriptor that is open. Nobody but this process asks which opening a number stands for. */
  readonly #files = new Map<number, number>()
  #lastFile = 0

  constructor(kernel: IpcKernel, descriptorsWordAt: number, spaceAt: number) {
    this.kernel = kernel
    this.#wordAt = descriptorsWordAt
    this.#spaceAt = spaceAt
  }

  /** Gives out the lowest free number for a live object. -EMFILE, -ENOMEM. */
  install(object: number, access: number, file = ++this.#lastFile): number {
    const fd = this.lowestFree()
    if (fd < 0) return fd
    this.kernel.objects.withLock(object, () => {
      this.placeLocked(fd, object, access, file)
    })
    return fd
  }

  /** The number that install() would give out. It has a place by then. -EMFILE, -ENOMEM. */
  lowestFree(): number {
    const base = this.#base() || this.#makeTable()
    if (base < 0) return base
    const { cpu } = this.kernel.attachment
    for (let fd = FIRST; fd < OPEN_MAX; fd++) if (cpu.load(base + fd) === 0) return fd
    return -EMFILE
  }

  /** Fills a free place. The object's lock is held, or this thread builds it. */
  placeLocked(fd: number, object: number, access: number, file = ++this.#lastFile): void {
    this.#files.set(fd, file)
    this.kernel.objects.refLocked(object)
    this.kernel.attachment.cpu.store(this.#base() + fd, object | (access << ACCESS_SHIFT))
  }

  /** What a number stands for, or -EBADF. */
  get(fd: number): Open | number {
    const base = this.#base()
    if (base === 0 || !(Number.isInteger(fd) && fd >= 0 && fd < OPEN_MAX)) return -EBADF
    const word = this.kernel.attachment.cpu.load(base + fd)
    return word === 0 ? -EBADF : { ...referredIn(word), file: this.#files.get(fd) ?? 0 }
  }

  /** 0 or -EBADF. The object goes too, if nothing else refers to it. */
  close(fd: number): number {
    const found = this.get(fd)
    if (typeof found === 'number') return found
    release(this.kernel, this.#base() + fd, found.object)
    this.#files.delete(fd)
    return 0
  }

  /** Another number for the same, the lowest free one. -EBADF, -EMFILE. */
  dup(fd: number): number {
    const found = this.get(fd)
    return typeof found === 'number' ? found : this.install(found.object, found.access, found.file)
  }

  /** Those that are open, in order. */
  entries(): readonly OpenDescriptor[] {
    return entriesAt(this.kernel, this.#wordAt)
  }

  #base(): number {
    return this.kernel.attachment.cpu.load(this.#wordAt) * PAGE_WORDS
  }

  #makeTable(): number {
    const { cpu, frames } = this.kernel.attachment
    const pfn = frames.allocFrame()
    if (pfn < 0) return -ENOMEM
    frames.own(pfn, this.#spaceAt)
    // Release: pairs with the loads of others. The frame's zeroes have arrived.
    cpu.store(this.#wordAt, pfn)
    return pfn * PAGE_WORDS
  }
}

function referredIn(word: number): Referred {
  return { object: word & OBJECT_MASK, access: word >>> ACCESS_SHIFT }
}

/** Empties the place of a descriptor, and gives its reference back. */
function release({ attachment, objects }: IpcKernel, at: number, object: number): void {
  const { cpu } = attachment
  objects.withLock(object, () => {
    if ((cpu.load(at) & OBJECT_MASK) !== object) return
    cpu.store(at, 0)
    objects.unrefLocked(object)
  })
}

/** The descriptors of any process, by the word of its slot. Of some moment, unless it is at rest. */
export function entriesAt({ attachment }: IpcKernel, descriptorsWordAt: number): readonly OpenDescriptor[] {
  const { cpu, frames } = attachment
  const found: OpenDescriptor[] = []
  frames.enterKernel()
  const base = cpu.load(descriptorsWordAt) * PAGE_WORDS
  for (let fd = FIRST; base !== 0 && fd < OPEN_MAX; fd++) {
    const word = cpu.load(base + fd)
    if (word !== 0) found.push({ fd, ...referredIn(word) })
  }
  frames.leaveKernel()
  return found
}

/**
 * The reaper: a dead process gives back what it had open, and the frame. May be repeated; throws MustNotBlock. An object
 * that the process was making, and had not published, is none: it goes with its maker.
 */
export function dropDescriptors(kernel: IpcKernel, descriptorsWordAt: number): void {
  const { cpu, frames } = kernel.attachment
  const pfn = cpu.load(descriptorsWordAt)
  if (pfn === 0) return
  for (const { fd, object } of entriesAt(kernel, descriptorsWordAt)) {
    const at = pfn * PAGE_WORDS + fd
    if (kernel.objects.isObject(object)) release(kernel, at, object)
    else cpu.store(at, 0)
  }
  // Pairs with the loads of those who are inside the kernel: they are waited for.
  cpu.store(descriptorsWordAt, 0)
  frames.retireFrame(pfn)
}

/** References to an object from the descriptors of all processes. `wordInSlot`: where a slot says where they are. */
export function countDescriptors(kernel: IpcKernel, wordInSlot: number, object: number): number {
  let count = 0
  for (let index = 0; index < kernel.processes.count; index++) {
    const wordAt = processAt(kernel.processes, index) + wordInSlot
    for (const open of entriesAt(kernel, wordAt)) if (open.object === object) count++
  }
  return count
}
