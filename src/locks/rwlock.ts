/**
 * RwLock: many readers, or one writer.
 *
 *   lock.read     readers note themselves in lines of their own: they share no word that any of them writes
 *   lock.write    a writer looks at the lines of all who have ever read
 *
 * So reading costs the same however many read, and writing a little for each thread that reads. The lock itself is
 * sync/rwlock.ts; where its words lie, rwlock-kind.ts.
 *
 * See: pthread_rwlock_rdlock(3p), pthread_rwlock_wrlock(3p). Differences: robust, as a robust mutex is (a dead reader
 * reads no more, a dead writer's lock goes on with notice); a thread that reads may always read again, also when writers
 * are preferred; to write while one reads is EDEADLK and not for ever; asynchronous forms.
 */

import { registerKind, type Found } from '../memory/kind.ts'
import { SharedObject } from '../memory/object.ts'
import { from, open } from '../memory/open.ts'
import { markRwConsistent } from '../sync/rwlock.ts'
import { writerOf } from '../sync/rwlock-word.ts'
import { EINVAL, ErrnoError } from '../words/errno.ts'
import type { Lockable } from './lockable.ts'
import { ReadLock } from './read-lock.ts'
import { rwLockKind, RwLockObject, type RwLockOptions } from './rwlock-kind.ts'
import type { Sided } from './rwlock-view.ts'
import { WriteLock } from './write-lock.ts'

/**
 * A lock that many hold to read, or one to write.
 *
 * @example
 *   const lock = RwLock.open('prices')
 *   lock.read.run(() => lookUp(prices, key))
 *   await lock.write.runAsync(() => update(prices))
 */
export class RwLock extends SharedObject {
  // Each stored once, here: V8 folds such fields (CONTRIBUTING.md, "Fields on fast paths").
  readonly #sided: Sided = {
    context: this.attachment,
    word: this.at + RwLockObject.raw,
    statusAt: this.at + RwLockObject.status,
    live: -this.generation,
    label: () => this.label,
    assertLive: (verb) => {
      this.assertLive(verb)
    },
    isLive: () => this.isLive,
    guard: () => this.guard,
  }
  readonly #read = new ReadLock(this.#sided)
  readonly #write = new WriteLock(this.#sided)

  constructor(options: RwLockOptions | Found = {}) {
    super(RWLOCK, options)
  }

  /** Attaches to the lock of that name, or creates it. EEXIST if `prefer` is given and contradicts it. */
  static open(name: string, options: Omit<RwLockOptions, 'name'> = {}): RwLock {
    return open(RWLOCK, name, options)
  }

  /** The lock of a handle that arrived in a message. */
  static from(handle: unknown): RwLock {
    return from(RWLOCK, handle)
  }

  /** The side for readers. */
  get read(): Lockable {
    return this.#read
  }

  /** The side for writers. */
  get write(): Lockable {
    return this.#write
  }

  /**
   * After a writer's death (`token.ownerDied` of lock.write): what the lock protects is sound again. A writer that was told
   * and unlocks without this leaves a lock that nobody can ever have again (ENOTRECOVERABLE). EINVAL if there is nothing to
   * mark. See: pthread_mutex_consistent(3).
   */
  markConsistent(): void {
    this.assertLive('markConsistent')
    if (markRwConsistent(this.attachment.lot, this.at + RwLockObject.raw) < 0) {
      throw new ErrnoError(
        EINVAL,
        'markConsistent',
        `${this.label}: this thread does not write under it with ownerDied`,
      )
    }
  }

  /** Node's threadId of the thread that writes, or null. It may have changed by the time you look. */
  get writer(): number | null {
    this.assertLive('writer')
    const tid = writerOf(this.attachment.lot, this.at + RwLockObject.raw)
    return tid === 0 ? null : this.attachment.threadIdOf(tid)
  }
}

const RWLOCK = rwLockKind((found) => new RwLock(found))

registerKind('RwLock', (value) => RwLock.from(value), RWLOCK)
