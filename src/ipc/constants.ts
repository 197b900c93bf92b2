/** What shm_open(3) takes, and limits: Linux's numbers. See include/uapi/asm-generic/fcntl.h and stat.h. */

export const O_RDONLY = 0
export const O_WRONLY = 1
export const O_RDWR = 2
export const O_ACCMODE = 3
export const O_CREAT = 0o100
export const O_EXCL = 0o200
export const O_TRUNC = 0o1000
export const O_DIRECTORY = 0o200000
export const O_PATH = 0o10000000

export const S_IFREG = 0o100000
/** Permissions, and the set-user-ID, set-group-ID and sticky bits. */
export const MODE_BITS = 0o7777
/** What a new object's mode lacks (umask(2)). */
export const UMASK = 0o022

/** Descriptors of a process: 0 to OPEN_MAX - 1 (Linux: RLIMIT_NOFILE, 1024 unless it is raised). */
export const OPEN_MAX = 1024
