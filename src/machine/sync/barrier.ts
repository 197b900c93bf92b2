/**
 * pthread_barrier_t at an address: the raw barrier (sync/barrier.ts). It does not break: who dies has arrived, or never will.
 *
 * Where we differ from glibc: the count ends at 536,870,912 (there: 2,147,483,646), beyond it is EINVAL.
 *
 * See: pthread_barrier_wait(3p).
 */

import { showAddress } from '../../paging/addresses.ts'
import { arrive, initBarrier, PARTIES_MAX, RawBarrier } from '../../sync/barrier.ts'
import { EINVAL } from '../../words/errno.ts'
import { BARRIER, bytesWith, endObject, makeObject, ProcessObject } from './object.ts'
import type { SyncWords } from './words.ts'

const { raw, tag } = ProcessObject
const BYTES = bytesWith(RawBarrier.sizeof)

/** 0, or -EINVAL: nobody, or too many. */
export function barrierInit(sync: SyncWords, address: number, count: number): number {
  if (!(count >= 1 && count <= PARTIES_MAX)) return -EINVAL
  return makeObject(sync, address, BARRIER, RawBarrier.sizeof, (at) => {
    initBarrier(sync.cpu, at + raw, count)
  })
}

export function barrierDestroy(sync: SyncWords, address: number): number {
  return endObject(sync, address, BARRIER, RawBarrier.sizeof)
}

/** Waits for all parties. 1 for one of them, 0 for the others; -EINVAL: no barrier. */
export function barrierWait(sync: SyncWords, address: number): number {
  return sync.withHeld(address, BYTES, (at) => {
    if (sync.cpu.plainLoad(at + tag) !== BARRIER) return -EINVAL
    return sync.waiting(
      () => `pthread_barrier_wait(): not all have come to the barrier at ${showAddress(address)}`,
      () => arrive(sync.lot, at + raw, Infinity),
    )
  })
}
