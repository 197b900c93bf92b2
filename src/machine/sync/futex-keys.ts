/**
 * Which futex an address is: Linux's get_futex_key().
 *
 *   address in                        private: false                   private: true
 *   a shared area                     object, offset in it             process, address
 *   a private area, writable          process, address (a page of      process, address
 *                                     its own is made)
 *     of an object, only readable     object, offset, while it shows   process, address
 *                                     the object's page; else EFAULT
 *     of nothing, only readable       EFAULT                           process, address
 *   an area that may not be read,
 *   behind the end of the object,
 *   or where nothing is               EFAULT                           process, address
 *
 * So two processes that map one object meet, wherever it lies in their spaces; and a key that says `private` never meets one
 * that does not, even at one address.
 *
 *   key0   bit 31 clear: word index of the object's cell, a multiple of 32, and 5 bits of the offset; bit 30 another one
 *          bit 31 set: number of the process, bit 15 if not `private`, and bits of the address
 *   key1   the lowest 32 bits of offset or address, in words
 *
 * Offsets 1 TiB apart in one object have the same key, and meet: there FUTEX_WAKE may wake one that waits at the other offset,
 * and who was meant sleeps on. Linux tells them apart.
 */

import { BusError, SegmentationFault } from '../../paging/signals.ts'
import { EXCLUSIVE, isPresent } from '../../paging/pte.ts'
import { PROT_WRITE } from '../../space/constants.ts'
import { VM_SHARED } from '../../space/vma.ts'
import type { FutexKey } from '../../sync/futex.ts'
import { PAGE_SIZE, PAGE_WORDS } from '../../words/constants.ts'
import { EFAULT, EINVAL } from '../../words/errno.ts'
import type { SyncWords } from './words.ts'

const HIGH = 2 ** 32
const PROCESS = 0x80000000 | 0
const NOT_PRIVATE = 0x8000
const KERNEL_HALF = 2 ** 63

/** The key of an address, or -EINVAL (not aligned), -EFAULT. */
export function futexKey(sync: SyncWords, address: number, isPrivate: boolean): FutexKey | number {
  const { space } = sync
  if (!Number.isInteger(address) || address % 4 !== 0) return -EINVAL
  if (!(address >= 0 && address < KERNEL_HALF)) return -EFAULT
  if (isPrivate) return ownKey(sync, address, 0)
  const vpn = Math.floor(address / PAGE_SIZE)
  const area = space.areas.find(vpn)
  if (area === undefined) return -EFAULT
  const isShared = (area.flags & VM_SHARED) !== 0
  const isWritable = (area.prot & PROT_WRITE) !== 0
  if (area.prot === 0) return -EFAULT
  if (!isReachable(sync, address, isWritable ? 'write' : 'read')) return -EFAULT
  if (isShared) return objectKey(area.object, area.offset + (vpn - area.start), address)
  if (isWritable) return ownKey(sync, address, NOT_PRIVATE)
  const at = area.object === 0 ? 0 : space.table.find(vpn)
  const pte = at === 0 ? 0 : sync.cpu.load(at)
  return isPresent(pte) && (pte & EXCLUSIVE) === 0
    ? objectKey(area.object, area.offset + (vpn - area.start), address)
    : -EFAULT
}

function ownKey({ space }: SyncWords, address: number, flag: number): FutexKey {
  const word = address / 4
  return { key0: PROCESS | (space.index << 16) | flag | (Math.floor(word / HIGH) & 0x7fff), key1: word | 0 }
}

function objectKey(object: number, page: number, address: number): FutexKey {
  const word = page * PAGE_WORDS + (address % PAGE_SIZE) / 4
  const high = Math.floor(word / HIGH)
  return { key0: object | (high & 0x1f) | ((high & 0x20) << 25), key1: word | 0 }
}

/** Faults the page in. False where an access would be a signal. */
export function isReachable({ space }: SyncWords, address: number, access: 'read' | 'write'): boolean {
  try {
    space.mmu.wordOf(address, access)
    return true
  } catch (error) {
    if (error instanceof SegmentationFault || error instanceof BusError) return false
    throw error
  }
}
