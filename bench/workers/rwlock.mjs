/** Threads that lock for reading or for writing, and unlock, as often as they can. Each answers how long a pair took it. */

import { workerData } from 'node:worker_threads'
import { RwLock } from 'pageframe'
import { endRound, eachRound, isRoundOver, meet, now } from './duty.mjs'

const { role, forMs, side } = workerData
const BATCH = 1000
const lock = RwLock.from(workerData.lock)[side]

function lockOften() {
  for (let i = 0; i < BATCH; i++) {
    lock.lock()
    lock.unlock()
  }
}

eachRound(() => {
  const samples = []
  meet()
  const begin = now()
  for (let start = begin; !isRoundOver();) {
    lockOften()
    const end = now()
    samples.push((end - start) / BATCH)
    start = end
    if (role === 0 && end - begin > forMs * 1e6) endRound()
  }
  return samples
})
