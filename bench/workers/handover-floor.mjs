/** The floor of the handover rows: a word that says where the block lies, and a word that says it was seen. */

import { workerData } from 'node:worker_threads'
import { wasmCpu } from 'pageframe/internals'
import { eachRound, meet, now } from './duty.mjs'

const { memory, module, role, samples, perSample, sizeBytes, blocks } = workerData
const GIVEN = 0
const SEEN = 64
const DATA = 1024
const TURNS = 1_000_000
const cpu = wasmCpu(memory, module)
const words = new Int32Array(memory.buffer, 0, memory.buffer.byteLength / 4)
const blockWords = sizeBytes / 4
let trip = 0

function give() {
  trip++
  words[placeOf(trip)] = trip
  cpu.store(GIVEN, trip)
  while (cpu.spinWhileEqual(SEEN, trip - 1, TURNS) !== trip);
}

function take() {
  trip++
  while (cpu.spinWhileEqual(GIVEN, trip - 1, TURNS) !== trip);
  cpu.store(SEEN, words[placeOf(trip)])
}

/** The middle word of a block, which both sides touch. */
function placeOf(block) {
  return DATA + (block % blocks) * blockWords + (blockWords >> 1)
}

eachRound(() => {
  const taken = []
  meet()
  for (let s = 0; s < samples; s++) {
    const start = now()
    if (role === 0) for (let i = 0; i < perSample; i++) give()
    else for (let i = 0; i < perSample; i++) take()
    taken.push((now() - start) / perSample)
  }
  return role === 0 ? taken : null
})
