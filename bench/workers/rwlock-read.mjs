/** Threads that lock for reading and unlock, as often as they can. Each answers how often it did. */

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
  let count = 0
  meet()
  const begin = now()
  while (!isRoundOver()) {
    readOften()
    count += BATCH
    if (role === 0 && now() - begin > forMs * 1e6) endRound()
  }
  return { count, ns: now() - begin }
})
