/** Which drill goes with which primitive. */

import { Barrier, Channel, Condition, Mutex, RwLock, Semaphore, SpinLock } from 'pageframe'
import { Buffer } from './buffer.ts'
import type { Drill, Setting } from './drill.ts'
import { Exclusion, type Lock } from './exclusion.ts'
import {
  faultyBarrier,
  faultyBuffer,
  faultyChannel,
  faultyLock,
  faultyRwLock,
  faultySemaphore,
} from './faults.ts'
import { byDekker, byFutex, byMutex, byPeterson, bySpinLock } from './locks.ts'
import type { StressData } from './orders.ts'
import { byOwnLock, loadOwnLock } from './own.ts'
import { Permits } from './permits.ts'
import { Phases } from './phases.ts'
import { Readers } from './readers.ts'
import { Receiving, Sending } from './stream.ts'

export async function drillOf(data: StressData, setting: Setting): Promise<Drill> {
  const { things, kills, fault } = data
  const exclusion = (lock: Lock) =>
    new Exclusion(setting, fault === undefined ? lock : faultyLock(lock, fault))
  switch (data.primitive) {
    case 'mutex':
      return exclusion(byMutex(Mutex.from(things.mutex), kills))
    case 'rwlock': {
      const lock = RwLock.from(things.rwlock)
      return new Readers(setting, fault === undefined ? lock : faultyRwLock(lock))
    }
    case 'semaphore': {
      const semaphore = Semaphore.from(things.semaphore)
      return new Permits(setting, fault === undefined ? semaphore : faultySemaphore(semaphore, fault))
    }
    case 'condition': {
      const mutex = Mutex.from(things.mutex)
      const [notEmpty, notFull] = things.conditions ?? []
      const conditions = [Condition.from(notEmpty), Condition.from(notFull)] as const
      if (fault === undefined) return new Buffer(setting, mutex, ...conditions)
      return new Buffer(setting, ...faultyBuffer(mutex, conditions, fault))
    }
    case 'channel': {
      const { index } = setting.place
      const channel = Channel.from(things.channels?.[index >>> 1])
      if (index % 2 === 0) return new Sending(setting, channel)
      return new Receiving(setting, fault === undefined ? channel : faultyChannel(channel, fault))
    }
    case 'barrier': {
      const barrier = Barrier.from(things.barrier)
      return new Phases(setting, fault === undefined ? barrier : faultyBarrier(barrier, fault))
    }
    case 'futex':
      return exclusion(byFutex(setting))
    case 'spin':
      return exclusion(bySpinLock(SpinLock.from(things.spin), kills))
    case 'peterson':
      return exclusion(byPeterson(setting))
    case 'dekker':
      return exclusion(byDekker(setting))
    case 'own': {
      if (things.own === undefined) throw new Error('no lock to test')
      const Own = await loadOwnLock(things.own.url)
      return exclusion(byOwnLock(new Own(things.own.words, setting.place.number)))
    }
  }
}
