/** There and back between two threads, by two semaphores. */

import { workerData } from 'node:worker_threads'
import { Semaphore } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, samples, perSample } = workerData
const ping = Semaphore.from(workerData.ping)
const pong = Semaphore.from(workerData.pong)

function begin() {
  ping.release()
  pong.acquire()
}

function answer() {
  ping.acquire()
  pong.release()
}

eachRound(() => {
  const taken = []
  meet()
  for (let s = 0; s < samples; s++) {
    const start = now()
    if (role === 0) for (let i = 0; i < perSample; i++) begin()
    else for (let i = 0; i < perSample; i++) answer()
    taken.push((now() - start) / perSample)
  }
  return role === 0 ? taken : null
})
