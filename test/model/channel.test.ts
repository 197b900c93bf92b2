/**
 * The ring of a channel in every interleaving: with deaths anywhere, time-outs, batches, padding, closes. And the mistakes
 * that the search must find, or it proves nothing.
 */

import { expect, test } from 'vitest'
import { Consumer } from '../../src/channel/consumer.ts'
import { Producer } from '../../src/channel/producer.ts'
import { repairChannel } from '../../src/channel/repair.ts'
import {
  CLOSED,
  closeChannel,
  CONSUMER_DIED,
  PRODUCER_DIED,
  RawChannel,
  SLEEPS,
} from '../../src/channel/ring.ts'
import { Lot } from '../../src/sync/lot.ts'
import { repairSync } from '../../src/sync/repair.ts'
import { explore } from '../../src/testing/explore.ts'
import type { GatedOperation, Model, ModelThread, Operation, Snapshot } from '../../src/testing/model.ts'
import { formatReport, type Report } from '../../src/testing/report.ts'
import {
  allDelivered,
  DRAINED_DRY,
  join,
  OUTCOME,
  OWNER_DIED,
  ownerOf,
  PIPE_BROKE,
  receive,
  receiveAsync,
  receiveBatch,
  ringWorld,
  send,
  sendBatch,
  type RingWorld,
} from '../channel/ring-world.ts'
import { tampered, type Mistake } from '../channel/tampered.ts'

function search(model: Model): Report {
  const report = explore(model)
  const found = report.failures.map(({ kind, message }) => `${kind}: ${message}`).join('; ')
  console.log(
    formatReport({ ...report, failures: [] }).replace(/ok$/, found === '' ? 'ok' : `found ${found}`),
  )
  return report
}

function holds(model: Model): void {
  expect(search(model).failures).toEqual([])
}

function fails(model: Model, kind: string): void {
  const { name } = model
  expect(search({ ...model, name: `planted: ${name}` }).failures.map((each) => each.kind)).toEqual([kind])
}

const times = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of)

const close =
  (world: RingWorld): Operation =>
  (thread) => {
    closeChannel(world.lot(thread), world.at)
  }

const reaper =
  (world: RingWorld) =>
  (thread: ModelThread, dead: number): void => {
    const lot = world.lot(thread)
    repairSync(lot, dead)
    repairChannel(lot, world.at, dead)
  }

const happened = ({ ghost, assert }: Snapshot, outcome: number, what: string): void => {
  assert((ghost[OUTCOME] & outcome) !== 0, what)
}

// ── one producer, one consumer ────────────────────────────────────────────────────────────────────────────────────

test('every record arrives, in order, through a ring that holds two of them', () => {
  const world = ringWorld(2, 8)
  holds({
    ...world.base,
    name: 'channel: 3 records, ring of 2',
    threads: [
      [join(world, Producer), ...times(3, send(world))],
      [join(world, Consumer), ...times(3, receive(world))],
    ],
    final: (state) => {
      allDelivered(world, state, 3)
    },
  })
})

test('records that do not fit into the rest of a lap are whole, behind a padding', () => {
  const world = ringWorld(2, 16)
  holds({
    ...world.base,
    name: 'channel: records of 6 words, laps of 16',
    threads: [
      [join(world, Producer), ...times(3, send(world, 4))],
      [join(world, Consumer), ...times(3, receive(world))],
    ],
    final: (state) => {
      allDelivered(world, state, 3)
    },
  })
})

test('a batch that is longer than the ring arrives all the same, on both sides', () => {
  const world = ringWorld(2, 8)
  holds({
    ...world.base,
    name: 'channel: batch of 3, ring of 2',
    threads: [
      [join(world, Producer), sendBatch(world, 3)],
      [join(world, Consumer), receiveBatch(world, 3)],
    ],
    bounds: { preemptions: 4 },
    final: (state) => {
      allDelivered(world, state, 3)
    },
  })
})

test('a wait that runs out takes nothing, and nothing is lost', () => {
  const world = ringWorld(2, 8)
  holds({
    ...world.base,
    name: 'channel: time-outs on both sides',
    threads: [
      [join(world, Producer), send(world), send(world), send(world, 2, 100)],
      [join(world, Consumer), receive(world, 100), ...times(2, receive(world))],
    ],
    bounds: { timeouts: 1 },
    final: (state) => {
      allDelivered(world, state, 3)
    },
  })
})

test('a consumer that waits by promise is woken too', () => {
  const world = ringWorld(2, 8)
  holds({
    ...world.base,
    name: 'channel: asynchronous consumer',
    threads: [
      [join(world, Producer), ...times(3, send(world))],
      [join(world, Consumer), ...times(3, receiveAsync(world))],
    ],
    final: (state) => {
      allDelivered(world, state, 3)
    },
  })
})

// ── close ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('what was sent before the close is received, and then the end is', () => {
  const world = ringWorld(2, 8)
  holds({
    ...world.base,
    name: 'channel: the producer closes',
    threads: [
      [join(world, Producer), send(world), send(world), close(world)],
      [join(world, Consumer), ...times(3, receive(world))],
    ],
    final: (state) => {
      allDelivered(world, state, 2)
      happened(state, DRAINED_DRY, 'the end is told')
    },
  })
})

test('a close by the consumer wakes the producer that waits for room', () => {
  const world = ringWorld(2, 8)
  holds({
    ...world.base,
    name: 'channel: the consumer closes',
    threads: [
      [join(world, Producer), ...times(3, send(world))],
      [join(world, Consumer), close(world), ...times(3, receive(world))],
    ],
    final: (state) => {
      if (state.cpu.load(world.at + RawChannel.sent) < 3) happened(state, PIPE_BROKE, 'the producer is told')
    },
  })
})

test('a third thread closes, and both sides come to an end', () => {
  const world = ringWorld(3, 8)
  holds({
    ...world.base,
    name: 'channel: a third thread closes',
    threads: [
      [join(world, Producer), ...times(3, send(world))],
      [join(world, Consumer), ...times(4, receive(world))],
      [close(world)],
    ],
    bounds: { preemptions: 3 },
    final: (state) => {
      happened(state, DRAINED_DRY, 'the end is told')
    },
  })
})

// ── death ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const roleIsFree = (world: RingWorld, dead: number, role: number) => (state: Snapshot) =>
  state.isFinished(dead) && (!state.isDead(dead) || state.cpu.load(world.at + role) === 0)

/** Only if the other one died: what its successor does. */
const ifFree =
  (world: RingWorld, role: number, run: (thread: ModelThread) => void): Operation =>
  (thread) => {
    if (thread.cpu.load(world.at + role) === 0) run(thread)
  }

/** The producer may die anywhere. A second one comes and sends what is missing of `count` records, and closes. */
function producerDies(
  name: string,
  first: (world: RingWorld) => Operation[],
  count: number,
  repair = reaper,
): Model {
  const world = ringWorld(3, 8)
  const { producer, sent, status } = RawChannel
  const isOwned: GatedOperation['when'] = ({ cpu, ghost }) =>
    (ghost[OUTCOME] & OWNER_DIED) === 0 ||
    (cpu.load(world.at + status) & (PRODUCER_DIED | CLOSED)) !== PRODUCER_DIED
  return {
    ...world.base,
    name,
    threads: [
      [join(world, Producer), ...first(world)],
      [join(world, Consumer), ...times(count + 2, { run: receiveUnlessDrained(world), when: isOwned })],
      [
        {
          when: roleIsFree(world, 0, producer),
          run: ifFree(world, producer, join(world, Producer)) as (thread: ModelThread) => void,
        },
        ...times(count, sendMissing),
        close(world),
      ],
    ],
    kill: [0],
    reaper: [repair(world)],
    bounds: { preemptions: 1 },
    final: (state) => {
      allDelivered(world, state, count)
      happened(state, DRAINED_DRY, 'the end is told')
    },
  }

  function sendMissing(thread: ModelThread): void {
    if (thread.cpu.load(world.at + producer) !== thread.tid) return
    if (thread.cpu.load(world.at + sent) < count) send(world, 1)(thread)
  }
}

const receiveUnlessDrained = (world: RingWorld) => (thread: ModelThread) => {
  thread.cpu.load(world.scratch)
  if (thread.ghost((ghost) => ghost[OUTCOME] & DRAINED_DRY) === 0) receive(world)(thread)
}

test('a producer dies anywhere: what it committed arrives, and the next one carries on', () => {
  holds(producerDies('channel: the producer dies', (world) => times(3, send(world, 1)), 3))
})

test('a producer dies anywhere in a batch: the committed part of it arrives', () => {
  holds(producerDies('channel: the producer dies in a batch', (world) => [sendBatch(world, 3, 1)], 3))
})

/** The consumer may die anywhere. A second one comes; the producer sends again when it has. */
function consumerDies(
  name: string,
  first: (world: RingWorld) => Operation[],
  count: number,
  repair = reaper,
): Model {
  const world = ringWorld(3, 8)
  const { consumer, sent, status } = RawChannel
  const isOwned: GatedOperation['when'] = ({ cpu, ghost }) =>
    (ghost[OUTCOME] & PIPE_BROKE) === 0 ||
    (cpu.load(world.at + status) & (CONSUMER_DIED | CLOSED)) !== CONSUMER_DIED
  const sendNext = (thread: ModelThread): void => {
    if (thread.cpu.load(world.at + sent) < count) send(world, 1)(thread)
  }
  return {
    ...world.base,
    name,
    threads: [
      [join(world, Producer), ...times(count + 1, { run: sendNext, when: isOwned }), close(world)],
      [join(world, Consumer), ...first(world)],
      [
        {
          when: roleIsFree(world, 1, consumer),
          run: ifFree(world, consumer, join(world, Consumer)) as (thread: ModelThread) => void,
        },
        ...times(count + 1, receiveIfOwner),
      ],
    ],
    kill: [1],
    reaper: [repair(world)],
    bounds: { preemptions: 1 },
    final: (state) => {
      allDelivered(world, state, count)
      happened(state, DRAINED_DRY, 'the end is told')
    },
  }

  function receiveIfOwner(thread: ModelThread): void {
    if (thread.cpu.load(world.at + consumer) === thread.tid) receiveUnlessDrained(world)(thread)
  }
}

test('a consumer dies anywhere: what it held is delivered again, what it released is not', () => {
  holds(consumerDies('channel: the consumer dies', (world) => times(4, receiveUnlessDrained(world)), 3))
})

test('a consumer dies anywhere in a batch: the same, though it had not published what it released', () => {
  holds(
    consumerDies(
      'channel: the consumer dies in a batch',
      (world) => [receiveBatch(world, 3), receiveUnlessDrained(world)],
      3,
    ),
  )
})

// ── mistakes that must be found ───────────────────────────────────────────────────────────────────────────────────

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
  return {
    ...world.base,
    name,
    threads: [
      [join(world, Producer), ...times(3, sends)],
      [join(world, Consumer), ...times(3, receives)],
    ],
    final: (state) => {
      allDelivered(world, state, 3)
    },
  }
}

const withMistake =
  (run: (thread: ModelThread) => void, mistake: Mistake | undefined) =>
  (thread: ModelThread): void => {
    run(mistake === undefined ? thread : tampered(thread, mistake))
  }

test('found: the record is published before its payload is written', () => {
  const sendHastily = (world: RingWorld) => (thread: ModelThread) => {
    const producer = ownerOf(new Producer(world.lot(thread), world.at))
    const payload = producer.claimBlocking(4, Infinity)
    const number = producer.sent
    producer.commit(4)
    thread.cpu.plainStore(payload, number)
  }
  fails(
    planted('publish, then write', (world) => ({ send: sendHastily(world) })),
    'race',
  )
})

test('found: the record is released before it is read', () => {
  const readLate = (world: RingWorld) => (thread: ModelThread) => {
    const consumer = ownerOf(new Consumer(world.lot(thread), world.at))
    const payload = consumer.nextBlocking(Infinity)
    consumer.release()
    thread.cpu.plainLoad(payload)
  }
  fails(
    planted('release, then read', (world) => ({ receive: readLate(world) })),
    'race',
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

test('found: the flag is looked at before the position is stored, not by the same instruction', () => {
  fails(
    planted('load, then store tail', ({ at }) => ({ producer: exchangeInTwo(at + RawChannel.tail) })),
    'stuck',
  )
  fails(
    planted('load, then store head', ({ at }) => ({ consumer: exchangeInTwo(at + RawChannel.head) })),
    'stuck',
  )
})

test('found: the flag is set without looking whether the position is still the same', () => {
  const setBlindly =
    (word: number): Mistake =>
    (cpu) => ({
      compareExchange: (at, expected, value) => {
        if (at !== word) return cpu.compareExchange(at, expected, value)
        cpu.or(at, SLEEPS)
        return expected
      },
    })
  fails(
    planted('or SLEEPS into tail', ({ at }) => ({ consumer: setBlindly(at + RawChannel.tail) })),
    'stuck',
  )
})

test('found: the position is noted after it was published', () => {
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
  fails(model, 'assertion')
})

test('found: the reaper forgets to wake', () => {
  class SilentLot extends Lot {
    override wakeLocked(): boolean {
      return false
    }
  }
  const forgetful =
    (world: RingWorld) =>
    (thread: ModelThread, dead: number): void => {
      repairSync(world.lot(thread), dead)
      repairChannel(new SilentLot(thread, world.lot(thread).geometry), world.at, dead)
    }
  const make = (world: RingWorld): Operation[] => times(3, send(world, 1))
  fails(producerDies('the reaper wakes nobody', make, 3, forgetful), 'stuck')
})

test('found: the reaper releases what the dead consumer held', () => {
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
  fails(consumerDies('head = readEnd', make, 3, generous), 'final')
})
