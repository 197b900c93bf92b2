/**
 * The named semaphores that a process has open: where each is mapped, and how often it was opened. As in glibc the same name
 * gives the same address, until it was closed as often as opened.
 *
 * What stands here is the process's own, and goes with it: areas are in shared memory (space), and the reaper unmaps them.
 */

import type { Descriptors, Open } from '../../ipc/descriptors.ts'
import { openSemaphore, SEM_BYTES } from '../../ipc/posix-sem.ts'
import type { ShmNames } from '../../ipc/posix-shm.ts'
import { MAP_SHARED, PROT_READ, PROT_WRITE } from '../../space/constants.ts'
import { assert } from '../../words/assert.ts'
import { EINVAL } from '../../words/errno.ts'
import { ProcessObject, SEMAPHORE } from './object.ts'
import { RawSemaphore, release, SEM_VALUE_MAX } from '../../sync/semaphore.ts'
import type { SyncWords } from './words.ts'

const { tag, raw } = ProcessObject
assert((raw + RawSemaphore.sizeof) * 4 <= SEM_BYTES, 'a semaphore has room in a sem_t')

interface Opened {
  readonly object: number
  readonly address: number
  count: number
}

export class NamedSemaphores {
  readonly #sync: SyncWords
  readonly #names: ShmNames
  readonly #descriptors: Descriptors
  /** By address. The object cannot become another one: the area refers to it. */
  readonly #opened = new Map<number, Opened>()

  constructor(sync: SyncWords, names: ShmNames, descriptors: Descriptors) {
    this.#sync = sync
    this.#names = names
    this.#descriptors = descriptors
  }

  /** The address of the semaphore, or a negative errno (openSemaphore). -EINVAL: more than SEM_VALUE_MAX. */
  open(text: string, oflag: number, mode: number, value: number): number {
    const { cpu, lot, space } = this.#sync
    const fd = openSemaphore(this.#names, this.#descriptors, text, oflag, mode, (at) => {
      if (!(value >= 0 && value <= SEM_VALUE_MAX)) return -EINVAL
      if (value > 0) release(lot, at + raw, value)
      cpu.store(at + tag, SEMAPHORE)
      return 0
    })
    if (fd < 0) return fd
    try {
      const open = this.#descriptors.get(fd) as Open
      for (const opened of this.#opened.values()) {
        if (opened.object !== open.object) continue
        opened.count++
        return opened.address
      }
      const address = space.areas.mmap(0, SEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, open, 0)
      if (address >= 0) this.#opened.set(address, { object: open.object, address, count: 1 })
      return address
    } finally {
      this.#descriptors.close(fd)
    }
  }

  /** 0, or -EINVAL: nothing that open() has given. */
  close(address: number): number {
    const opened = this.#opened.get(address)
    if (opened === undefined) return -EINVAL
    if (--opened.count > 0) return 0
    this.#opened.delete(address)
    return this.#sync.space.areas.munmap(address, SEM_BYTES)
  }
}
