/**
 * Named semaphores: sem_open, sem_unlink. As in glibc each is a shared memory object `sem.NAME`, of the size of a sem_t, so
 * shm_open() finds it too; the process maps it, and the semaphore lies at its beginning.
 *
 * A semaphore has its value before it has its name: nobody finds half of one, whenever its maker dies.
 *
 * See: sem_open(3), sem_unlink(3); sysdeps/pthread/sem_open.c, sem_routines.c and posix/shm-directory.c in glibc 2.36.
 */

import { NAMED } from '../storage/shm-object.ts'
import { PAGE_WORDS } from '../words/constants.ts'
import { EEXIST, EINVAL, ENAMETOOLONG, ENOENT } from '../words/errno.ts'
import { MODE_BITS, O_CREAT, O_EXCL, O_RDWR, S_IFREG, UMASK } from './constants.ts'
import type { Descriptors } from './descriptors.ts'
import { findLocked, inscribe, nameIn, withNames, type ShmName } from './names.ts'
import type { ShmNames } from './posix-shm.ts'
import { shmUnlink } from './posix-shm.ts'

/** Bytes of a sem_t. */
export const SEM_BYTES = 32
const PREFIX = 'sem.'

/** What makes a semaphore of zeroes at a word: 0 or a negative errno. Nobody else sees it yet. */
export type BuildSemaphore = (at: number) => number

/**
 * Opens the object of a semaphore's name, or makes it. A descriptor, or
 *  -EINVAL        no name; or `build` says so
 *  -ENOENT        no such name, and no O_CREAT
 *  -EEXIST        it is there, and O_CREAT with O_EXCL
 *  -ENAMETOOLONG  the name is longer than 251 bytes
 *  -EMFILE, -ENOMEM
 */
export function openSemaphore(
  { kernel, namesLockAt }: ShmNames,
  descriptors: Descriptors,
  text: string,
  oflag: number,
  mode: number,
  build: BuildSemaphore,
): number {
  const name = semaphoreName(text)
  if (typeof name === 'number') return name
  // Before the names are locked: it may have to be made.
  const fd = descriptors.lowestFree()
  if (fd < 0) return fd
  return withNames(kernel, namesLockAt, () => {
    const found = findLocked(kernel, name)
    if (found !== 0) {
      if ((oflag & O_CREAT) !== 0 && (oflag & O_EXCL) !== 0) return -EEXIST
      return descriptors.install(found, O_RDWR)
    }
    return (oflag & O_CREAT) === 0 ? -ENOENT : createLocked(descriptors, fd, name, mode, build)
  })
}

/** Takes the name away; the semaphore stays while somebody has it open. 0, -ENOENT or -ENAMETOOLONG. */
export function unlinkSemaphore(names: ShmNames, text: string): number {
  const name = semaphoreName(text)
  if (typeof name === 'number') return name === -EINVAL ? -ENOENT : name
  return shmUnlink(names, prefixed(text))
}

/** The object's name: that of the semaphore without slashes at the front, behind the prefix. */
function semaphoreName(text: string): ShmName | number {
  const bare = text.replace(/^\/+/, '')
  if (bare === '' || /[/\0]/.test(bare)) return -EINVAL
  const { length } = new TextEncoder().encode(bare)
  return length > 255 ? -EINVAL : length > 255 - PREFIX.length ? -ENAMETOOLONG : nameIn(prefixed(text))
}

function prefixed(text: string): string {
  return PREFIX + text.replace(/^\/+/, '')
}

/** The names are locked. What was made is there before it is published, and goes with this thread if it dies. */
function createLocked(
  descriptors: Descriptors,
  fd: number,
  name: ShmName,
  mode: number,
  build: BuildSemaphore,
): number {
  const { kernel } = descriptors
  const { objects, attachment } = kernel
  const at = objects.create({ flags: NAMED, mode: S_IFREG | (mode & MODE_BITS & ~UMASK) })
  if (at < 0) return at
  let failed = objects.resize(at, SEM_BYTES)
  attachment.frames.enterKernel()
  try {
    const pfn = failed < 0 ? failed : objects.pageAt(at, 0, true)
    failed = pfn < 0 ? pfn : build(pfn * PAGE_WORDS)
  } finally {
    attachment.frames.leaveKernel()
  }
  if (failed < 0) {
    objects.discard(at)
    return failed
  }
  inscribe(kernel, at, name)
  objects.refLocked(at) // the name's
  descriptors.placeLocked(fd, at, O_RDWR)
  objects.publish(at)
  return fd
}
