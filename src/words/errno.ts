/**
 * errno: Linux's numbers on every platform, and the errors that carry them.
 *
 * Inside, failure is a negative errno, returned. At the public face it becomes an ErrnoError in Node's own shape
 * ({ code: 'EINVAL', errno: -22, syscall }). What the caller did wrong is a TypeError or RangeError instead, with a
 * code that starts with ERR_PAGEFRAME_ (see usage.ts).
 *
 * See: errno(3); include/uapi/asm-generic/errno-base.h and errno.h.
 */

export const EPERM = 1
export const ENOENT = 2
export const ESRCH = 3
export const EINTR = 4
export const EIO = 5
export const EBADF = 9
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const EFAULT = 14
export const EBUSY = 16
export const EEXIST = 17
export const ENODEV = 19
export const ENOTDIR = 20
export const EISDIR = 21
export const EINVAL = 22
export const ENFILE = 23
export const EMFILE = 24
export const EFBIG = 27
export const ENOSPC = 28
export const EPIPE = 32
export const ERANGE = 34
export const EDEADLK = 35
export const ENAMETOOLONG = 36
export const ENOSYS = 38
export const EIDRM = 43
export const EPROTO = 71
export const EOVERFLOW = 75
export const EMSGSIZE = 90
/** EOPNOTSUPP too: Linux has one number for both. */
export const ENOTSUP = 95
export const ENOBUFS = 105
export const ETIMEDOUT = 110
export const EALREADY = 114
export const ESTALE = 116
export const ECANCELED = 125
export const EOWNERDEAD = 130
export const ENOTRECOVERABLE = 131

/** Number to name, for messages. */
const names = new Map<number, string>(
  Object.entries({
    EPERM, ENOENT, ESRCH, EINTR, EIO, EBADF, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY, EEXIST, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, EFBIG,
    ENOSPC, EPIPE, ERANGE, EDEADLK, ENAMETOOLONG, ENOSYS, EIDRM, EPROTO, EOVERFLOW, EMSGSIZE, ENOTSUP, ENOBUFS,
    ETIMEDOUT, EALREADY, ESTALE, ECANCELED, EOWNERDEAD, ENOTRECOVERABLE,
  }).map(([name, number]) => [number, name]),
) // prettier-ignore

export function errnoName(errno: number): string {
  return names.get(Math.abs(errno)) ?? `E${Math.abs(errno)}`
}

/** The world's fault: a time-out, a dead owner, no memory, a name that is taken. The shape is Node's. */
export class ErrnoError extends Error {
  override readonly name = 'ErrnoError'
  readonly code: string
  readonly errno: number
  readonly syscall: string

  /** `errno` of either sign; `message` says what happened and what to do, and is printed after the code. */
  constructor(errno: number, syscall: string, message: string) {
    const code = errnoName(errno)
    super(`${code}: ${message}`)
    this.code = code
    this.errno = -Math.abs(errno)
    this.syscall = syscall
  }
}

/** Passes a result through, or throws the ErrnoError that a negative one stands for. */
export function checked(result: number, syscall: string, message?: string): number {
  if (result < 0) throw new ErrnoError(result, syscall, message ?? syscall)
  return result
}
