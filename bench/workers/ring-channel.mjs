/**
 * The channel rows: 64-byte records by loan and read, in place. With `batch` above 1, each side publishes so many at once.
 *
 * The words of a record are written and read through one Int32Array over the whole memory, made once.
 */

import { workerData } from 'node:worker_threads'
import { Channel } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, records, perSample, batch } = workerData
const BYTES = 64
const LAST = BYTES / 4 - 1
const channel = Channel.from(workerData.channel)
let words
let sent = 0
let wrong = 0

function produceBatch() {
  for (let i = 0; i < batch; i++) produceOne()
}

function produceOne() {
  const loan = channel.loan(BYTES)
  words ??= wordsBehind(loan)
  const at = loan.byteOffset >>> 2
  words[at] = sent
  words[at + LAST] = ~sent
  sent = (sent + 1) | 0
  loan.commit()
}

function consumeBatch() {
  for (let i = 0; i < batch; i++) consumeOne()
}

function consumeOne() {
  const message = channel.read()
  words ??= wordsBehind(message)
  const at = message.byteOffset >>> 2
  wrong |= (words[at] ^ sent) | (words[at + LAST] ^ ~sent)
  sent = (sent + 1) | 0
  message[Symbol.dispose]()
}

function wordsBehind({ bytes: { buffer } }) {
  return new Int32Array(buffer, 0, buffer.byteLength / 4)
}

function produce() {
  if (batch === 1) for (let i = 0; i < records; i++) produceOne()
  else for (let i = 0; i < records; i += batch) channel.batch(produceBatch)
  return null
}

function consume() {
  const samples = []
  let start = now()
  for (let i = 0; i < records; i += perSample) {
    if (batch === 1) for (let k = 0; k < perSample; k++) consumeOne()
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
