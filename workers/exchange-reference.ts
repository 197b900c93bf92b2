/**
 * The reference of an exchange: the same records and bytes, read by one thread, with one buffer, and without blocks.
 *
 *   buffer  │ carried over │ ... read ... line \n line \n li│      the rest of a line is moved to the front, then reads on
 *
 * It cuts lines longer than a block where the blocks do (exchange/blocks.ts, invariant 2); else it shares nothing with what it
 * is there to check but the code that reads one record.
 */

import { closeSync, openSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { Account } from './exchange/account.ts'
import { readFully } from './exchange/blocks.ts'
import { onDuty } from './exchange/duty.ts'
import type { Kind, Result } from './exchange/tally.ts'

export interface ReferenceData {
  files: readonly string[]
  kind: Kind
  blockBytes: number
}

const LINE_FEED = 0x0a
const { files, kind, blockBytes } = workerData as ReferenceData
const buffer = new Uint8Array(Math.max(2 ** 20, 2 * blockBytes))

onDuty((): Result => {
  const account = new Account(kind)
  let position = 0
  for (const file of files) position += addFile(account, file, position)
  return account.result()
})

/** Returns the file's length. */
function addFile(account: Account, file: string, position: number): number {
  const fd = openSync(file, 'r')
  let carried = 0
  let read = 0
  for (;;) {
    const got = readFully(fd, buffer, carried, buffer.length - carried, read)
    account.addChecksum(buffer.subarray(carried, carried + got), position + read)
    read += got
    const isLast = carried + got < buffer.length
    carried = addRecords(account, carried + got, isLast)
    if (isLast) break
  }
  closeSync(fd)
  return read
}

/** Takes the records in the first `length` bytes of the buffer, moves what is left to the front, and returns its length. */
function addRecords(account: Account, length: number, isLast: boolean): number {
  let start = 0
  while (start < length) {
    const lineFeed = buffer.indexOf(LINE_FEED, start)
    const isWhole = lineFeed >= 0 && lineFeed < length
    if (!isWhole && !isLast && length - start < blockBytes) break
    const end = Math.min(isWhole ? lineFeed + 1 : length, start + blockBytes)
    account.addRecord(buffer, start, end)
    start = end
  }
  buffer.copyWithin(0, start, length)
  return length - start
}
