/** spin-rtt with the instructions of a Cpu: the loop that waits is one of them. */

import { workerData } from 'node:worker_threads'
import { wasmCpu } from 'pageframe/internals'
import { eachRound, meet, now } from './duty.mjs'

const { memory, module, ping, pong, role, samples, perSample } = workerData
const TURNS = 1_000_000
const cpu = wasmCpu(memory, module)
let trip = 0

function begin() {
  const last = trip++
  cpu.store(ping, trip)
  while (cpu.spinWhileEqual(pong, last, TURNS) === last);
}

function answer() {
  const last = trip++
  while (cpu.spinWhileEqual(ping, last, TURNS) === last);
  cpu.store(pong, trip)
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
