/** The handover rows: a block goes by loan, a word comes back by loan; each side waits with read(). */

import { workerData } from 'node:worker_threads'
import { Channel } from 'pageframe'
import { eachRound, meet, now } from './duty.mjs'

const { role, samples, perSample, sizeBytes } = workerData
const blocks = Channel.from(workerData.blocks)
const answers = Channel.from(workerData.answers)
const MIDDLE = sizeBytes >> 3
let words
let trip = 0

function give() {
  trip = (trip + 1) | 0
  const block = blocks.loan(sizeBytes)
  words ??= wordsBehind(block)
  words[(block.byteOffset >>> 2) + MIDDLE] = trip
  block.commit()

  const answer = answers.read()
  const seen = words[answer.byteOffset >>> 2]
  answer[Symbol.dispose]()
  if (seen !== trip) throw new Error('a block arrived that was not sent')
}

function take() {
  const block = blocks.read()
  words ??= wordsBehind(block)
  const seen = words[(block.byteOffset >>> 2) + MIDDLE]
  block[Symbol.dispose]()

  const answer = answers.loan(4)
  words[answer.byteOffset >>> 2] = seen
  answer.commit()
}

function wordsBehind({ bytes: { buffer } }) {
  return new Int32Array(buffer, 0, buffer.byteLength / 4)
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
