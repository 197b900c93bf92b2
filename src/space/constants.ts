/** What mmap(2) and mprotect(2) take: Linux's numbers. See include/uapi/asm-generic/mman-common.h and mman.h. */

export const PROT_NONE = 0
export const PROT_READ = 1
export const PROT_WRITE = 2
export const PROT_EXEC = 4

export const MAP_SHARED = 0x1
export const MAP_PRIVATE = 0x2
export const MAP_SHARED_VALIDATE = 0x3
export const MAP_FIXED = 0x10
export const MAP_ANONYMOUS = 0x20
/** lp64: between 1 and 2 GiB, where V8 keeps an address as a small integer. */
export const MAP_32BIT = 0x40
export const MAP_GROWSDOWN = 0x100
export const MAP_LOCKED = 0x2000
export const MAP_NORESERVE = 0x4000
export const MAP_POPULATE = 0x8000
export const MAP_NONBLOCK = 0x10000
export const MAP_STACK = 0x20000
export const MAP_HUGETLB = 0x40000
export const MAP_SYNC = 0x80000
export const MAP_FIXED_NOREPLACE = 0x100000
/** The bits of flags that say what kind of mapping it is: one of the first three. */
export const MAP_TYPE = 0xf
/** Accepted, and without a meaning, for twenty years. */
export const MAP_DENYWRITE = 0x800
export const MAP_EXECUTABLE = 0x1000
