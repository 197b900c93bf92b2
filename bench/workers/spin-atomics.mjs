/** spin-rtt with plain Atomics. */

import { workerData } from 'node:worker_threads'
import { eachRound, meet, now } from './duty.mjs'

const { memory, ping, pong, role, samples, perSample } = workerData
const words = new Int32Array(memory.buffer, 0, memory.buffer.byteLength / 4)
let trip = 0

function begin() {
  trip++
  Atomics.store(words, ping, trip)
  while (Atomics.load(words, pong) !== trip);
}

function answer() {
  trip++
  while (Atomics.load(words, ping) !== trip);
  Atomics.store(words, pong, trip)
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
