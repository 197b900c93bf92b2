/** One thread wakes all others, and waits until each has been awake and waits again. As native/condition.c. */

import { workerData } from 'node:worker_threads'
import { Condition, Mutex, Region } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, count, phases } = workerData
const waiters = count - 1
const mutex = Mutex.from(workerData.mutex)
const ping = Condition.from(workerData.ping)
const pong = Condition.from(workerData.pong)
const words = Region.from(workerData.region).as(Int32Array)
const PHASE = 0
const WAITING = 1
let phase = 0

function waitForAll(held) {
  while (words[WAITING] !== waiters) pong.wait(held)
}

function wakeAll(held) {
  const samples = []
  waitForAll(held)
  for (let s = 0; s < phases; s++) {
    const start = now()
    words[WAITING] = 0
    words[PHASE]++
    ping.notify(Infinity)
    if (s < phases - 1) waitForAll(held)
    samples.push(now() - start)
  }
  return samples.slice(0, -1) // nobody waits for the last
}

function awaitPhases(held) {
  for (let s = 0; s < phases; s++) {
    if (++words[WAITING] === waiters) pong.notify(1)
    while (words[PHASE] === phase) ping.wait(held)
    phase++
  }
  return null
}

eachRound(() => {
  meet()
  return mutex.run(role === 0 ? wakeAll : awaitPhases)
})
