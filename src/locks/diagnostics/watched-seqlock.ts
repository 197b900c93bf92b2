/**
 * A SeqLock of a memory whose locks are watched: its writers are counted. Readers write nothing, these notes included; and
 * of circles and orders nothing is noted, for a section that writes only copies.
 */

import { ownerOf } from '../../sync/mutex.ts'
import { RawSeqLock } from '../../sync/seqlock.ts'
import { assertFunction } from '../../words/usage.ts'
import type { AsyncWait, Wait } from '../lockable.ts'
import { SeqLockObject } from '../seqlock-kind.ts'
import { SeqLock } from '../seqlock.ts'
import { watchAs, watchOf } from './watched.ts'

const MUTEX = SeqLockObject.raw + RawSeqLock.mutex

class WatchedSeqLock extends SeqLock {
  override write<T>(section: (ownerDied: boolean) => T, wait?: Wait): T {
    assertFunction('SeqLock.write()', 'section', section)
    const counted = watchOf(this).countSection(section, ownerOf(this.attachment.lot, this.at + MUTEX) !== 0)
    try {
      return super.write(counted.section, wait)
    } catch (error) {
      counted.failed(error)
      throw error
    }
  }

  override async writeAsync<T>(section: (ownerDied: boolean) => T, wait?: AsyncWait): Promise<T> {
    assertFunction('SeqLock.writeAsync()', 'section', section)
    const isBusy = ownerOf(this.attachment.lot, this.at + MUTEX) !== 0
    const counted = watchOf(this).countSection(section, isBusy, true)
    try {
      return await super.writeAsync(counted.section, wait)
    } catch (error) {
      counted.failed(error)
      throw error
    }
  }
}

watchAs('SeqLock', SeqLock, WatchedSeqLock)
