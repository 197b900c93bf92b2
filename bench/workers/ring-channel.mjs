/**
 * The channel rows: 64-byte records by loan and read, in place. With `batch` above 1, each side publishes so many at once.
 *
 * The words of a record are written and read through one Int32Array over the whole memory, made once.
 */

import { workerData } from 'node:worker_threads'
import { Channel } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, buffer, records, perSample, batch } = workerData
const BYTES = 64
const LAST = BYTES / 4 - 1
const channel = Channel.from(workerData.channel)
const words = new Int32Array(buffer, 0, buffer.byteLength / 4)
let done = 0
let wrong = 0

function produceBatch() {
  const end = done + batch
  for (let i = done; i < end; i++) {
    const loan = channel.loan(BYTES)
    const at = loan.byteOffset >>> 2
    words[at] = i
    words[at + LAST] = ~i
    loan.commit()
  }
  done = end
}

function consumeBatch() {
  const end = done + batch
  let differ = 0
  for (let i = done; i < end; i++) {
    const message = channel.read()
    const at = message.byteOffset >>> 2
    differ |= (words[at] ^ i) | (words[at + LAST] ^ ~i)
    message[Symbol.dispose]()
  }
  wrong |= differ
  done = end
}

function produce() {
  if (batch === 1) for (let i = 0; i < records; i++) produceBatch()
  else for (let i = 0; i < records; i += batch) channel.batch(produceBatch)
  return null
}

function consume() {
  const samples = []
  let start = now()
  for (let i = 0; i < records; i += perSample) {
    if (batch === 1) for (let k = 0; k < perSample; k++) consumeBatch()
    else for (let k = 0; k < perSample; k += batch) channel.batch(consumeBatch)
    const end = now()
    samples.push((end - start) / perSample)
    start = end
  }
  if (wrong !== 0) throw new Error('a record arrived that was not sent')
  return samples
}

eachRound(() => {
  meet()
  return role === 0 ? produce() : consume()
})
