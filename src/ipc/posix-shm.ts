/**
 * POSIX shared memory: shm_open, shm_unlink, and what a descriptor of it takes: ftruncate, fstat.
 *
 *   name ──► ShmObject ◄── descriptors          an object lives until its name, its last descriptor and its last mapping
 *                ▲                              are gone, in whatever order
 *                └──────── areas
 *
 * The caller is root on a tmpfs with umask 022: nothing is refused for want of permission. Where we differ from Linux:
 * sizes end at 8 TiB (EFBIG), O_PATH is EINVAL, and there are no directories to open.
 *
 * Lock order: names ──► object.
 *
 * See: shm_open(3), ftruncate(2), fstat(2); mm/shmem.c; fs/open.c, build_open_flags().
 */

import { sizeLocked } from '../storage/resize.ts'
import { CONTIGUOUS, NAMED, ShmObject } from '../storage/shm-object.ts'
import { EEXIST, EINVAL, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR } from '../words/errno.ts'
import {
  MODE_BITS,
  O_ACCMODE,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_PATH,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  S_IFREG,
  UMASK,
} from './constants.ts'
import type { Descriptors, IpcKernel } from './descriptors.ts'
import { findLocked, inscribe, nameIn, withNames, type ShmName } from './names.ts'

const { flags, mode: modeAt, inode, ctime, mtime } = ShmObject

/** Where a machine keeps the lock of its shared memory names, and the calls on them. */
export interface ShmNames {
  readonly kernel: IpcKernel
  readonly namesLockAt: number
}

export interface ShmOpenOptions {
  /** A new object is one run of frames, which a single typed array can cover (storage/resize.ts). */
  readonly contiguous?: boolean
}

export interface Stat {
  readonly size: number
  /** S_IFREG and the permissions. */
  readonly mode: number
  /** 1 while it has its name, then 0. */
  readonly nlink: number
  readonly uid: number
  readonly gid: number
  readonly ino: number
  readonly blksize: number
  /** Of 512 bytes, that have frames. */
  readonly blocks: number
  /** Seconds since 1970: of the last change of size or name, and of the last change of size. */
  readonly ctime: number
  readonly mtime: number
}

/**
 * Opens the object of a name, or makes it. Returns a descriptor, or
 *  -EINVAL        no name; O_CREAT with O_DIRECTORY; O_PATH
 *  -EMFILE        no free descriptor
 *  -ENAMETOOLONG  the name is longer than 255 bytes
 *  -ENOENT        no such name, and no O_CREAT
 *  -EEXIST        it is there, and O_CREAT with O_EXCL
 *  -ENOTDIR       it is there, and O_DIRECTORY
 *  -ENOMEM, -ENOSPC
 */
export function shmOpen(
  { kernel, namesLockAt }: ShmNames,
  descriptors: Descriptors,
  text: string,
  oflag: number,
  mode: number,
  options: ShmOpenOptions = {},
): number {
  const name = nameIn(text)
  if (name === -EINVAL) return name
  if ((oflag & O_PATH) !== 0) return -EINVAL
  if ((oflag & O_CREAT) !== 0 && (oflag & O_DIRECTORY) !== 0) return -EINVAL
  const fd = descriptors.lowestFree()
  if (fd < 0) return fd
  if (typeof name === 'number') return name // only the kernel finds that it is too long

  return withNames(kernel, namesLockAt, () => {
    const found = findLocked(kernel, name)
    if (found === 0) {
      if ((oflag & O_CREAT) === 0) return -ENOENT
      return createLocked(kernel, descriptors, fd, name, oflag, mode, options)
    }
    if ((oflag & O_CREAT) !== 0 && (oflag & O_EXCL) !== 0) return -EEXIST
    if ((oflag & O_DIRECTORY) !== 0) return -ENOTDIR
    // Whatever it is opened for: Linux truncates with O_RDONLY too.
    const failed = (oflag & O_TRUNC) === 0 ? 0 : kernel.objects.resize(found, 0)
    return failed < 0 ? failed : descriptors.install(found, oflag & O_ACCMODE)
  })
}

/** A new object with its name and one descriptor. Both are there before it is published, and go with it if we die. */
function createLocked(
  kernel: IpcKernel,
  descriptors: Descriptors,
  fd: number,
  name: ShmName,
  oflag: number,
  mode: number,
  { contiguous = false }: ShmOpenOptions,
): number {
  const { objects } = kernel
  const at = objects.create({
    flags: NAMED | (contiguous ? CONTIGUOUS : 0),
    mode: S_IFREG | (mode & MODE_BITS & ~UMASK),
  })
  if (at < 0) return at
  inscribe(kernel, at, name)
  objects.refLocked(at) // the name's
  descriptors.placeLocked(fd, at, oflag & O_ACCMODE)
  objects.publish(at)
  return fd
}

/**
 * Takes a name away; the object stays while something refers to it. Returns 0, or
 *  -ENOENT        no such name, or no name at all
 *  -ENAMETOOLONG  longer than 255 bytes
 *  -EISDIR        '.' or '..'
 */
export function shmUnlink({ kernel, namesLockAt }: ShmNames, text: string): number {
  const name = nameIn(text)
  if (typeof name === 'number') {
    if (name === -ENAMETOOLONG) return name
    return /^\/*\.\.?$/.test(text) ? -EISDIR : -ENOENT
  }
  const { attachment, objects } = kernel
  return withNames(kernel, namesLockAt, () => {
    const found = findLocked(kernel, name)
    if (found === 0) return -ENOENT
    objects.withLock(found, () => {
      attachment.cpu.and(found + flags, ~NAMED)
      objects.unrefLocked(found)
    })
    return 0
  })
}

/**
 * Sets the size of what a descriptor stands for. Returns 0, or
 *  -EINVAL  a negative length; or the descriptor is not for writing; or a contiguous object would not stay so
 *  -EBADF   no such descriptor
 *  -EFBIG   more than 8 TiB (Linux: more than 2^63 - 1 bytes)
 *  -ENOMEM
 */
export function ftruncate(descriptors: Descriptors, fd: number, length: number): number {
  if (Number.isNaN(length) || length < 0) return -EINVAL
  const open = descriptors.get(fd)
  if (typeof open === 'number') return open
  if (open.access !== O_WRONLY && open.access !== O_RDWR) return -EINVAL
  return descriptors.kernel.objects.resize(open.object, Math.trunc(length))
}

/** What there is to say about what a descriptor stands for, or -EBADF. */
export function fstat(descriptors: Descriptors, fd: number): Stat | number {
  const open = descriptors.get(fd)
  return typeof open === 'number' ? open : statOf(descriptors.kernel, open.object)
}

export function statOf({ attachment, objects }: IpcKernel, at: number): Stat {
  const { cpu, frames } = attachment
  return objects.withLock(at, () => ({
    size: sizeLocked(frames, at),
    mode: cpu.load(at + modeAt),
    nlink: (cpu.load(at + flags) & NAMED) === 0 ? 0 : 1,
    uid: 0,
    gid: 0,
    ino: cpu.load(at + inode),
    blksize: 4096,
    blocks: objects.pagesPresent(at) * 8,
    ctime: cpu.load(at + ctime),
    mtime: cpu.load(at + mtime),
  }))
}
