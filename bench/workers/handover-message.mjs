/**
 * The handover rows with messages: a block goes, a number comes back. `way` says how:
 *
 *   clone      port.postMessage(block): copied
 *   transfer   port.postMessage(block, [block.buffer]): moved, and moved back as the answer
 *   broadcast  BroadcastChannel: copied
 */

import { BroadcastChannel, workerData } from 'node:worker_threads'
import { eachRound, meet, now } from './duty.mjs'

const { port, role, samples, sizeBytes, way, name } = workerData
const MIDDLE = sizeBytes >> 3
const line = way === 'broadcast' ? new BroadcastChannel(name) : port
let block = new Int32Array(sizeBytes / 4)
let arrived

// It lives as long as the thread: to subscribe for each round would be work of its own.
if (way === 'broadcast') line.onmessage = ({ data }) => arrived(data)
else line.on('message', (data) => arrived(data))

/** One sample a trip: each takes microseconds. */
function give() {
  const taken = []
  let start = now()
  return new Promise((resolve, reject) => {
    arrived = (answer) => {
      if (way === 'transfer') block = answer
      const seen = way === 'transfer' ? answer[MIDDLE] : answer
      if (seen !== taken.length) reject(new Error('a block arrived that was not sent'))
      const end = now()
      taken.push(end - start)
      start = end
      if (taken.length === samples) resolve(taken)
      else send(taken.length)
    }
    send(0)
  })
}

function send(trip) {
  block[MIDDLE] = trip
  if (way === 'transfer') line.postMessage(block, [block.buffer])
  else line.postMessage(block)
}

function take() {
  return new Promise((resolve) => {
    let trips = 0
    arrived = (given) => {
      if (way === 'transfer') line.postMessage(given, [given.buffer])
      else line.postMessage(given[MIDDLE])
      if (++trips === samples) resolve(null)
    }
  })
}

eachRound(() => {
  const round = role === 1 ? take() : undefined
  meet()
  return round ?? give()
})
