/**
 * Blocks: the input cut into pieces of whole lines, read straight to where they are to be sent from.
 *
 *   file    ├─ line ─┼── line ──┼─ line ─┼─ li│ne ─┼──── ...
 *   block 1 ├────────────────────────────┤    │            sent: what is read, up to the last line feed
 *   block 2                              ├────────────...  begins where block 1 ended: the cut line is read again
 *
 * Reading the rest of a line twice costs less than keeping it: the page cache has it, and it would have to be copied.
 *
 * Invariants
 *  1. The blocks in their order are the input, byte for byte.
 *  2. A block ends with a line feed, or at the end of a file, or it is full: a line longer than a block is cut after as many
 *     bytes, counted from where the line begins. So where records are cut does not depend on the blocks before them.
 */

import { closeSync, openSync, readSync } from 'node:fs'

const LINE_FEED = 0x0a

export class BlockReader {
  readonly #files: readonly string[]
  #next = 0
  #fd: number | undefined
  /** Where the next block begins in its file. */
  #at = 0

  /** Where in the input, all files in a row, the last block began. */
  position = 0
  /** Where it ended. */
  reached = 0

  constructor(files: readonly string[]) {
    this.#files = files
  }

  /** Reads the next block to `bytes` from `offset` on, and returns its length: 0 at the end of the input. */
  read(bytes: Uint8Array, offset: number): number {
    const most = bytes.length - offset
    while (this.#fd !== undefined || this.#openNext()) {
      const got = readFully(this.#fd ?? -1, bytes, offset, most, this.#at)
      if (got > 0) return this.#advance(got < most ? got : wholeLines(bytes, offset, most))
      this.close()
    }
    return 0
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd)
    this.#fd = undefined
  }

  #openNext(): boolean {
    if (this.#next === this.#files.length) return false
    this.#fd = openSync(this.#files[this.#next++], 'r')
    this.#at = 0
    return true
  }

  #advance(length: number): number {
    this.#at += length
    this.position = this.reached
    this.reached += length
    return length
  }
}

/** As many bytes as there are, up to `most`: one read may return fewer. */
export function readFully(
  fd: number,
  bytes: Uint8Array,
  offset: number,
  most: number,
  position: number,
): number {
  let got = 0
  while (got < most) {
    const more = readSync(fd, bytes, offset + got, most - got, position + got)
    if (more === 0) break
    got += more
  }
  return got
}

/** Up to and with the last line feed, or all if there is none. */
function wholeLines(bytes: Uint8Array, offset: number, length: number): number {
  for (let at = offset + length - 1; at >= offset; at--) {
    if (bytes[at] === LINE_FEED) return at + 1 - offset
  }
  return length
}
