/**
 * A lock that several threads want all the time: a Mutex; or the floor, a word that is taken and given back, spun for.
 *
 * A section is some turns of work() and an increment. Each thread answers how many it had; one wait in BATCH is timed.
 */

import { workerData } from 'node:worker_threads'
import { Mutex, Region } from 'pageframe'
import { defaultAttachment } from 'pageframe/internals'
import { endRound, eachRound, isRoundOver, meet, now } from './duty.mjs'
import { Waits, work } from './section.mjs'

const { role, turns, forMs, spins } = workerData
const BATCH = 64
const TURNS = 1_000_000
const words = Region.from(workerData.region).as(Int32Array)
const SEED = 32
const SECTIONS = 33
const waits = new Waits()
const { cpu } = defaultAttachment()
const lockAt = words.byteOffset >>> 2

const mutex = Mutex.from(workerData.mutex)
const takeTurns = spins ? spinTurns : mutexTurns

function mutexTurns() {
  for (let i = 1; i < BATCH; i++) {
    mutex.lock()
    section()
    mutex.unlock()
  }
}

function mutexTurn() {
  const before = now()
  mutex.lock()
  const got = now()
  section()
  mutex.unlock()
  waits.note(got - before)
}

function spinTurns() {
  for (let i = 1; i < BATCH; i++) {
    while (cpu.compareExchange(lockAt, 0, 1) !== 0) cpu.spinWhileEqual(lockAt, 1, TURNS)
    section()
    cpu.store(lockAt, 0)
  }
}

function spinTurn() {
  const before = now()
  while (cpu.compareExchange(lockAt, 0, 1) !== 0) cpu.spinWhileEqual(lockAt, 1, TURNS)
  const got = now()
  section()
  cpu.store(lockAt, 0)
  waits.note(got - before)
}

function section() {
  words[SEED] = work(words[SEED], turns)
  words[SECTIONS]++
}

eachRound(() => {
  let count = 0
  meet()
  const begin = now()
  while (!isRoundOver()) {
    if (spins) spinTurn()
    else mutexTurn()
    takeTurns()
    count += BATCH
    if (role === 0 && now() - begin > forMs * 1e6) endRound()
  }
  return { count, ns: now() - begin, waits: waits.take() }
})
