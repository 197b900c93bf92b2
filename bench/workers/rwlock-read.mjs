/** Threads that lock for reading and unlock, as often as they can. Each answers how long a pair took it. */

import { workerData } from 'node:worker_threads'
import { RwLock } from 'pageframe'
import { endRound, eachRound, isRoundOver, meet, now } from './duty.mjs'

const { role, forMs } = workerData
const BATCH = 1000
const { read } = RwLock.from(workerData.lock)

function readOften() {
  for (let i = 0; i < BATCH; i++) {
    read.lock()
    read.unlock()
  }
}

eachRound(() => {
  const samples = []
  meet()
  const begin = now()
  for (let start = begin; !isRoundOver();) {
    readOften()
    const end = now()
    samples.push((end - start) / BATCH)
    start = end
    if (role === 0 && end - begin > forMs * 1e6) endRound()
  }
  return samples
})
