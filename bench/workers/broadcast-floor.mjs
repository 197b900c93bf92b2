/**
 * The floor of the broadcast: each waiter sleeps on a word of its own, is woken by itself, and counts. No lock, no condition,
 * and all wake up at the same time: what Atomics.wait() and notify() take.
 */

import { workerData } from 'node:worker_threads'
import { eachRound, meet, now } from './duty.mjs'

const { role, count, phases, buffer } = workerData
const words = new Int32Array(buffer)
const waiters = count - 1
const ARRIVED = 0
const LINE = 32
let phase = 0

function arrive() {
  if (Atomics.add(words, ARRIVED, 1) + 1 === waiters) Atomics.notify(words, ARRIVED)
}

function waitForAll() {
  for (let seen; (seen = Atomics.load(words, ARRIVED)) !== waiters;) Atomics.wait(words, ARRIVED, seen)
  Atomics.store(words, ARRIVED, 0)
}

function wakeAll() {
  const samples = []
  waitForAll()
  for (let s = 0; s < phases; s++) {
    const start = now()
    phase++
    for (let waiter = 1; waiter <= waiters; waiter++) {
      Atomics.store(words, waiter * LINE, phase)
      Atomics.notify(words, waiter * LINE)
    }
    if (s < phases - 1) waitForAll()
    samples.push(now() - start)
  }
  return samples.slice(0, -1) // nobody waits for the last
}

function awaitPhases() {
  for (let s = 0; s < phases; s++) {
    arrive()
    while (Atomics.load(words, role * LINE) === phase) Atomics.wait(words, role * LINE, phase)
    phase++
  }
  return null
}

eachRound(() => {
  meet()
  return role === 0 ? wakeAll() : awaitPhases()
})
