/** Which drill goes with which primitive. */

import { Channel, Mutex, Semaphore } from 'pageframe'
import type { Drill, Setting } from './drill.ts'
import { Exclusion, type Lock } from './exclusion.ts'
import { faulty } from './faults.ts'
import { byDekker, byMutex, byPeterson } from './locks.ts'
import type { StressData } from './orders.ts'
import { byOwnLock, loadOwnLock } from './own.ts'
import { Permits } from './permits.ts'
import { Receiving, Sending } from './stream.ts'

export async function drillOf(data: StressData, setting: Setting): Promise<Drill> {
  const { things, kills } = data
  const exclusion = (lock: Lock) => new Exclusion(setting, data.hasFault ? faulty.lock(lock) : lock)
  switch (data.primitive) {
    case 'mutex':
      return exclusion(byMutex(Mutex.from(things.mutex), kills))
    case 'semaphore': {
      const semaphore = Semaphore.from(things.semaphore)
      return new Permits(setting, data.hasFault ? faulty.semaphore(semaphore) : semaphore)
    }
    case 'channel': {
      const { index } = setting.place
      const channel = Channel.from(things.channels?.[index >>> 1])
      if (index % 2 === 0) return new Sending(setting, channel)
      return new Receiving(setting, data.hasFault ? faulty.channel(channel) : channel)
    }
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
