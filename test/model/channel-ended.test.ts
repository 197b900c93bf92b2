/**
 * A channel is destroyed while its sides are about to wait, in every interleaving: both are told, and nobody sleeps on.
 */

import { test } from 'vitest'
import { Consumer } from '../../src/channel/consumer.ts'
import { Producer } from '../../src/channel/producer.ts'
import { endChannel, RawChannel } from '../../src/channel/ring.ts'
import type { Lot } from '../../src/sync/lot.ts'
import type { Model, ModelThread } from '../../src/testing/model.ts'
import { ESTALE } from '../../src/words/errno.ts'
import { ringWorld, type RingWorld } from '../channel/ring-world.ts'
import { finds, holds } from './verdicts.ts'

/** In `scratch`, as the status of a cell. */
const LIVES = 1

const RECORD_BYTES = 8
/** So many fill the ring. */
const RECORDS = 2

type LotOf = (world: RingWorld, thread: ModelThread) => Lot

const guarded: LotOf = (world, thread) => {
  const lot = world.lot(thread)
  lot.guard = { at: world.scratch, own: LIVES, first: world.at, end: world.at + RawChannel.sizeof }
  return lot
}

/** As SharedObject.destroy(): the status first, then those who wait, then what the kind has. */
function destroy(world: RingWorld) {
  return (thread: ModelThread): void => {
    thread.cpu.store(world.scratch, 0)
    world.lot(thread).endWaits(world.at, world.at + RawChannel.sizeof)
    endChannel(thread.cpu, world.at)
  }
}

function receives(world: RingWorld, lotOf: LotOf) {
  return (thread: ModelThread): void => {
    if (thread.cpu.load(world.scratch) !== LIVES) return
    const consumer = new Consumer(lotOf(world, thread), world.at)
    consumer.join()
    const result = consumer.nextBlocking(Infinity)
    thread.assert(result === -ESTALE, `next() answers ${result}`)
  }
}

/** Fills the ring, then wants more room. */
function sends(world: RingWorld, lotOf: LotOf) {
  return (thread: ModelThread): void => {
    if (thread.cpu.load(world.scratch) !== LIVES) return
    const producer = new Producer(lotOf(world, thread), world.at)
    producer.join()
    for (let i = 0; i < RECORDS; i++) if (producer.claim(RECORD_BYTES) > 0) producer.commit(RECORD_BYTES)
    const result = producer.claimBlocking(RECORD_BYTES, Infinity)
    thread.assert(result === -ESTALE, `claim() answers ${result}`)
  }
}

function model(name: string, wait: typeof receives, lotOf: LotOf): Model {
  const world = ringWorld(2, 8)
  return {
    ...world.base,
    name: `channel: destroyed, ${name}`,
    threads: [[wait(world, lotOf)], [destroy(world)]],
    init: (cpu) => {
      world.base.init?.(cpu)
      cpu.store(world.scratch, LIVES)
    },
  }
}

test('a consumer that begins to wait meanwhile is told, wherever it stands', () => {
  holds(model('a consumer begins to wait', receives, guarded))
})

test('a producer that begins to wait meanwhile is told, wherever it stands', () => {
  holds(model('a producer begins to wait', sends, guarded))
})

test('found: without a guard each sleeps for ever', () => {
  const unguarded: LotOf = (world, thread) => world.lot(thread)
  // Or writes into words that are another's by then, which would be found first.
  const sleeps = { raceCheck: false }
  finds({ ...model('a consumer without a guard', receives, unguarded), ...sleeps }, /^stuck/)
  finds({ ...model('a producer without a guard', sends, unguarded), ...sleeps }, /^stuck/)
})
