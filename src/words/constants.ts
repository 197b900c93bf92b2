/** Sizes that everything above agrees on. Frames are physical, pages virtual; both take 4 KiB. */

export const PAGE_SHIFT = 12
export const PAGE_SIZE = 4096
export const PAGE_WORDS = PAGE_SIZE / 4

/** The alignment of WebAssembly memory sizes. */
export const WASM_PAGE_SIZE = 65_536

export const KiB = 1024
export const MiB = 1024 * KiB
export const GiB = 1024 * MiB

/** Words that different threads write are kept this far apart: a cache line, and the one prefetched with it. */
export const LINE_WORDS = 32
