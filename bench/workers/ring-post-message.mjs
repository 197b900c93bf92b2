/** The channel rows with postMessage: a Uint8Array of 64 bytes from worker to worker, cloned on the way. */

import { workerData } from 'node:worker_threads'
import { eachRound, meet, now } from './duty.mjs'

const { port, role, records, perSample } = workerData
const bytes = new Uint8Array(64)
const written = new Int32Array(bytes.buffer)
const LAST = written.length - 1
let receive

// It lives as long as the thread: to subscribe for each round would be work of its own.
port.on('message', (message) => receive(message))

function produce() {
  for (let i = 0; i < records; i++) {
    written[0] = i
    written[LAST] = ~i
    port.postMessage(bytes)
  }
  return null
}

function consume() {
  const samples = []
  let i = 0
  let wrong = 0
  let start = now()
  return new Promise((resolve, reject) => {
    receive = ({ buffer, byteOffset, length }) => {
      const words = new Int32Array(buffer, byteOffset, length >> 2)
      wrong |= (words[0] ^ i) | (words[LAST] ^ ~i)
      i++
      if (i % perSample === 0) {
        const end = now()
        samples.push((end - start) / perSample)
        start = end
      }
      if (i < records) return
      if (wrong !== 0) reject(new Error('a record arrived that was not sent'))
      resolve(samples)
    }
  })
}

eachRound(() => {
  meet()
  return role === 0 ? produce() : consume()
})
