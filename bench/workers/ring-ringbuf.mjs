/** The channel rows with ringbuf.js: push() and pop() of 64 bytes, which copy in and out. It has no batches. */

import { workerData } from 'node:worker_threads'
import { RingBuffer } from 'ringbuf.js'
import { eachRound, meet, now } from './duty.mjs'

const { buffer, role, records, perSample } = workerData
const ring = new RingBuffer(buffer, Uint8Array)
const bytes = new Uint8Array(64)
const words = new Int32Array(bytes.buffer)
const LAST = words.length - 1

function produce() {
  for (let i = 0; i < records; i++) {
    words[0] = i
    words[LAST] = ~i
    while (ring.push(bytes) === 0);
  }
  return null
}

function consume() {
  const samples = []
  let wrong = 0
  let start = now()
  for (let i = 0; i < records; i++) {
    while (ring.pop(bytes) === 0);
    wrong |= (words[0] ^ i) | (words[LAST] ^ ~i)
    if ((i + 1) % perSample === 0) {
      const end = now()
      samples.push((end - start) / perSample)
      start = end
    }
  }
  if (wrong !== 0) throw new Error('a record arrived that was not sent')
  return samples
}

eachRound(() => {
  meet()
  return role === 0 ? produce() : consume()
})
