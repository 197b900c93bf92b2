/** There and back between two threads: a mutex, a word that says whose turn it is, and a condition for each way. */

import { workerData } from 'node:worker_threads'
import { Condition, Mutex, Region } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, samples, perSample } = workerData
const mutex = Mutex.from(workerData.mutex)
const ping = Condition.from(workerData.ping)
const pong = Condition.from(workerData.pong)
const words = Region.from(workerData.region).as(Int32Array)
const TURN = 0

function begin(held) {
  words[TURN] = 1
  ping.notify(1)
  while (words[TURN] !== 0) pong.wait(held)
}

function answer(held) {
  while (words[TURN] !== 1) ping.wait(held)
  words[TURN] = 0
  pong.notify(1)
}

eachRound(() => {
  const taken = []
  meet()
  mutex.run((held) => {
    for (let s = 0; s < samples; s++) {
      const start = now()
      if (role === 0) for (let i = 0; i < perSample; i++) begin(held)
      else for (let i = 0; i < perSample; i++) answer(held)
      taken.push((now() - start) / perSample)
    }
  })
  return role === 0 ? taken : null
})
