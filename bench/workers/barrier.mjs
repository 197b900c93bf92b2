/** Two threads that meet at a barrier, again and again. */

import { workerData } from 'node:worker_threads'
import { Barrier } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, samples, perSample } = workerData
const barrier = Barrier.from(workerData.barrier)

function arriveOften() {
  for (let i = 0; i < perSample; i++) barrier.arrive()
}

eachRound(() => {
  const taken = []
  meet()
  for (let s = 0; s < samples; s++) {
    const start = now()
    arriveOften()
    taken.push((now() - start) / perSample)
  }
  return role === 0 ? taken : null
})
