/**
 * The floor of the channel rows: what a ring costs if it does nothing but carry 64-byte slots. Each side keeps its index
 * on a line of its own, remembers what it last saw of the other's, and publishes every `batch` records.
 *
 *   word  0     head, of the consumer        64     tail, of the producer        1024 ...   the slots
 */

import { workerData } from 'node:worker_threads'
import { wasmCpu } from 'pageframe/internals'
import { eachRound, meet, now } from './duty.mjs'

const { memory, module, role, records, perSample, batch, slots } = workerData
const HEAD = 0
const TAIL = 64
const DATA = 1024
const SLOT_WORDS = 16
const cpu = wasmCpu(memory, module)
const words = new Int32Array(memory.buffer, 0, memory.buffer.byteLength / 4)
const mask = slots - 1
let position = 0

function produce() {
  let headSeen = position
  for (let i = 0; i < records; i++) {
    if (((position - headSeen) | 0) >= slots) {
      cpu.store(TAIL, position)
      do headSeen = cpu.load(HEAD)
      while (((position - headSeen) | 0) >= slots)
    }
    const at = DATA + (position & mask) * SLOT_WORDS
    words[at] = i
    words[at + SLOT_WORDS - 1] = ~i
    position = (position + 1) | 0
    if (position % batch === 0) cpu.store(TAIL, position)
  }
  cpu.store(TAIL, position)
  return null
}

function consume() {
  const samples = []
  let tailSeen = position
  let wrong = 0
  let start = now()
  for (let i = 0; i < records; i++) {
    if (position === tailSeen) {
      cpu.store(HEAD, position)
      do tailSeen = cpu.load(TAIL)
      while (position === tailSeen)
    }
    const at = DATA + (position & mask) * SLOT_WORDS
    wrong |= (words[at] ^ i) | (words[at + SLOT_WORDS - 1] ^ ~i)
    position = (position + 1) | 0
    if (position % batch === 0) cpu.store(HEAD, position)
    if ((i + 1) % perSample === 0) {
      const end = now()
      samples.push((end - start) / perSample)
      start = end
    }
  }
  cpu.store(HEAD, position)
  if (wrong !== 0) throw new Error('a record arrived that was not sent')
  return samples
}

eachRound(() => {
  meet()
  return role === 0 ? produce() : consume()
})
