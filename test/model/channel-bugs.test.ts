/** Mistakes in a channel, planted: the search must find each, or it proves nothing. */

import { test } from 'vitest'
import { Consumer } from '../../src/channel/consumer.ts'
import { Producer } from '../../src/channel/producer.ts'
import { repairChannel } from '../../src/channel/repair.ts'
import { RawChannel, SLEEPS } from '../../src/channel/ring.ts'
import { Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { Model, ModelThread, Operation } from '../../src/testing/model.ts'
import { ownerOf, receive, ringWorld, send, type RingWorld } from '../channel/ring-world.ts'
import { tampered, type Mistake } from '../channel/tampered.ts'
import {
  between,
  consumerDies,
  producerDies,
  receiveUnlessDrained,
  times,
  type Repair,
} from './channel-models.ts'
import { finds } from './verdicts.ts'

/** Two records at most in flight, one producer, one consumer, each with or without a mistake. */
function planted(
  name: string,
  make: (world: RingWorld) => {
    producer?: Mistake
    consumer?: Mistake
    send?: Operation
    receive?: Operation
  },
): Model {
  const world = ringWorld(2, 8)
  const fault = make(world)
  const sends = fault.send ?? withMistake(send(world, 1), fault.producer)
  const receives = fault.receive ?? withMistake(receive(world), fault.consumer)
  return between(world, name, { sends: times(3, sends), receives: times(3, receives) }, 3)
}

const withMistake =
  (run: (thread: ModelThread) => void, mistake: Mistake | undefined) =>
  (thread: ModelThread): void => {
    run(mistake === undefined ? thread : tampered(thread, mistake))
  }

test('the record is published before its payload is written', () => {
  const sendHastily = (world: RingWorld) => (thread: ModelThread) => {
    const producer = ownerOf(new Producer(world.lot(thread), world.at))
    const payload = producer.claimBlocking(4, Infinity)
    const number = producer.sent
    producer.commit(4)
    thread.cpu.plainStore(payload, number)
  }
  finds(
    planted('publish, then write', (world) => ({ send: sendHastily(world) })),
    /^race/,
  )
})

test('the record is released before it is read', () => {
  const readLate = (world: RingWorld) => (thread: ModelThread) => {
    const consumer = ownerOf(new Consumer(world.lot(thread), world.at))
    const payload = consumer.nextBlocking(Infinity)
    consumer.release()
    thread.cpu.plainLoad(payload)
  }
  finds(
    planted('release, then read', (world) => ({ receive: readLate(world) })),
    /^race/,
  )
})

const exchangeInTwo =
  (word: number): Mistake =>
  (cpu) => ({
    exchange: (at, value) => {
      if (at !== word) return cpu.exchange(at, value)
      const old = cpu.load(at)
      cpu.store(at, value)
      return old
    },
  })

test('the flag is looked at before the position is stored, not by the same instruction', () => {
  finds(
    planted('load, then store tail', ({ at }) => ({ producer: exchangeInTwo(at + RawChannel.tail) })),
    /^stuck/,
  )
  finds(
    planted('load, then store head', ({ at }) => ({ consumer: exchangeInTwo(at + RawChannel.head) })),
    /^stuck/,
  )
})

test('the flag is set without looking whether the position is still the same', () => {
  const setBlindly =
    (word: number): Mistake =>
    (cpu) => ({
      compareExchange: (at, expected, value) => {
        if (at !== word) return cpu.compareExchange(at, expected, value)
        cpu.or(at, SLEEPS)
        return expected
      },
    })
  finds(
    planted('or SLEEPS into tail', ({ at }) => ({ consumer: setBlindly(at + RawChannel.tail) })),
    /^stuck/,
  )
})

test('the position is noted after it was published', () => {
  const noteLate =
    ({ at }: RingWorld): Mistake =>
    (cpu) => {
      let late: number | undefined
      return {
        plainLoad: (word) =>
          word === at + RawChannel.committed && late !== undefined ? late : cpu.plainLoad(word),
        plainStore: (word, value) => {
          if (word === at + RawChannel.committed) late = value
          else cpu.plainStore(word, value)
        },
        exchange: (word, value) => {
          const old = cpu.exchange(word, value)
          if (word === at + RawChannel.tail && late !== undefined)
            cpu.plainStore(at + RawChannel.committed, late)
          return old
        },
      }
    }
  const model = producerDies(
    'commit after publish',
    (world) => times(3, withMistake(send(world, 1), noteLate(world))),
    3,
  )
  finds(model, /^assertion/)
})

test('the reaper forgets to wake', () => {
  class SilentLot extends Lot {
    override wakeLocked(): boolean {
      return false
    }
  }
  const forgetful: Repair = (world) => (thread, dead) => {
    repairSync(world.lot(thread), dead)
    repairChannel(new SilentLot(thread, world.lot(thread).geometry), world.at, dead)
  }
  const make = (world: RingWorld): Operation[] => times(3, send(world, 1))
  finds(producerDies('the reaper wakes nobody', make, 3, forgetful), /^stuck/)
})

test('the reaper releases what the dead consumer held', () => {
  const generous =
    (world: RingWorld) =>
    (thread: ModelThread, dead: number): void => {
      repairSync(world.lot(thread), dead)
      const { released, readEnd } = RawChannel
      const greedy: Mistake = (cpu) => ({
        plainLoad: (word) => cpu.plainLoad(word === world.at + released ? world.at + readEnd : word),
      })
      repairChannel(world.lot(tampered(thread, greedy)), world.at, dead)
    }
  const make = (world: RingWorld): Operation[] => times(4, receiveUnlessDrained(world))
  finds(consumerDies('head = readEnd', make, 3, generous), /^final/)
})
