/**
 * A small memory with one ring in it, for the explorer, and what its threads do there.
 *
 *   words   0                  bucketsAt   channelAt    dataAt
 *          ┌──────────────────┬───────────┬────────────┬──────────────┬─────────┐
 *          │ slots, + reaper  │ 1 bucket  │ RawChannel │ 8 to 32 words│ scratch │
 *          └──────────────────┴───────────┴────────────┴──────────────┴─────────┘
 *
 * Record number n carries the value n, in each of its words. What has been seen of them is kept in ghost words:
 *
 *   delivered   number of the newest record that a consumer was given, + 1
 *   held        1 from there until the consumer sets about to release it, then 2, then 0
 *   outcome     bits of what the sides were told
 */

import { Consumer, DRAINED } from '../../src/channel/consumer.ts'
import { Producer } from '../../src/channel/producer.ts'
import { initChannel, RawChannel } from '../../src/channel/ring.ts'
import { Lot } from '../../src/sync/lot.ts'
import { ASYNC, Bucket, WAITING, WaitRecord } from '../../src/sync/wait-record.ts'
import { begin, BUSY, onBell, PENDING } from '../../src/sync/wait.ts'
import type { Model, ModelThread, Snapshot } from '../../src/testing/model.ts'
import { ASLEEP, AWAKE, ThreadSlot } from '../../src/threads/slot.ts'
import { alignUp } from '../../src/words/bits.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { EOWNERDEAD, EPIPE, ETIMEDOUT } from '../../src/words/errno.ts'

export const DELIVERED = 0
export const HELD = 1
export const OUTCOME = 2
export const CALLS = 3

export const TIMED_OUT = 1
export const PIPE_BROKE = 2
export const OWNER_DIED = 4
export const DRAINED_DRY = 8
export const REDELIVERED = 16

export interface RingWorld {
  readonly slots: number
  readonly bucketsAt: number
  readonly at: number
  readonly scratch: number
  /** An asynchronous wait record. */
  readonly record: number
  /** What every model of this memory has. */
  readonly base: Pick<Model, 'words' | 'init' | 'hints' | 'racy' | 'raceCheck'>
  lot(thread: ModelThread): Lot
}

export function ringWorld(threads: number, capacityWords: number): RingWorld {
  const slots = threads + 1
  const bucketsAt = slots * ThreadSlot.sizeof
  const at = bucketsAt + Bucket.sizeof
  const dataAt = at + RawChannel.sizeof
  const scratch = dataAt + capacityWords
  const record = alignUp(scratch + 1, PAGE_WORDS) + WaitRecord.sizeof
  const { since, purpose, tid, key0, key1, bucket } = WaitRecord
  const records = [...Array(slots).keys()].map((slot) => slot * ThreadSlot.sizeof + ThreadSlot.record)
  const hints = new Set([
    ...[RawChannel.fullSpins, RawChannel.emptySpins].map((word) => at + word),
    ...[...records, record].flatMap((each) => [each + since, each + purpose]),
  ])
  // Plain looks at words that others change: a flag that is a hint; one's own position beside the other's bit; in Lot.ring()
  // and the reaper whose a record is and what for, while its owner may write the same there again; in Lot.unlink() in which
  // bucket it is, a guess until that is locked.
  const racy = new Set([
    ...[RawChannel.state, RawChannel.head, RawChannel.tail].map((word) => at + word),
    ...[...records, record].flatMap((each) => [each + tid, each + key0, each + key1, each + bucket]),
  ])
  const geometry = { bucketsAt, bucketCount: 1, slotsAt: 0, slotCount: slots, more: () => 0 }
  return {
    slots,
    bucketsAt,
    at,
    scratch,
    record,
    lot: (thread) => new Lot(thread, geometry),
    base: {
      words: record + WaitRecord.sizeof,
      init: (cpu) => {
        cpu.store(record + WaitRecord.kind, ASYNC)
        initChannel(cpu, at, dataAt, capacityWords)
      },
      hints: (word) => hints.has(word),
      raceCheck: true,
      racy: (word) => racy.has(word),
    },
  }
}

function tell(thread: ModelThread, world: RingWorld, outcome: number): void {
  thread.cpu.load(world.scratch)
  thread.ghost((ghost) => (ghost[OUTCOME] |= outcome))
}

/** In a new operation: the side that joined in an earlier one. All that it knows stands in its notes. */
export function ownerOf<Side extends Producer | Consumer>(side: Side): Side {
  side.recall()
  return side
}

// ── the producer's operations ─────────────────────────────────────────────────────────────────────────────────────

export function join(world: RingWorld, side: typeof Producer | typeof Consumer) {
  return (thread: ModelThread) => {
    const result = new side(world.lot(thread), world.at).join()
    thread.assert(result === 0, 'the role is free')
  }
}

/** Sends the record that comes next, `words` words long. A time-out is noted, and the next try has none. */
export function send(world: RingWorld, words = 2, deadline = Infinity) {
  return (thread: ModelThread) => {
    const producer = ownerOf(new Producer(world.lot(thread), world.at))
    put(world, thread, producer, words, deadline)
  }
}

/** Sends `count` records in one batch. */
export function sendBatch(world: RingWorld, count: number, words = 2) {
  return (thread: ModelThread) => {
    const producer = ownerOf(new Producer(world.lot(thread), world.at))
    producer.batches = 1
    for (let i = 0; i < count; i++) put(world, thread, producer, words, Infinity)
    producer.publish()
  }
}

function put(world: RingWorld, thread: ModelThread, to: Producer, words: number, deadline: number): void {
  const { cpu } = thread
  let payload = to.claimBlocking(words * 4, deadline)
  if (payload === -ETIMEDOUT) {
    tell(thread, world, TIMED_OUT)
    payload = to.claimBlocking(words * 4, Infinity)
  }
  if (payload === -EPIPE) {
    tell(thread, world, PIPE_BROKE)
    return
  }
  thread.assert(payload > 0 && payload !== BUSY, `claim() answers ${payload}`)
  for (let i = 0; i < words; i++) cpu.plainStore(payload + i, to.sent)
  to.commit(words * 4)
}

// ── the consumer's operations ─────────────────────────────────────────────────────────────────────────────────────

/** Waits for the next record, looks at it, releases it. A time-out is noted, and the next try has none. */
export function receive(world: RingWorld, deadline = Infinity) {
  return (thread: ModelThread) => {
    const consumer = ownerOf(new Consumer(world.lot(thread), world.at))
    get(world, thread, consumer, deadline)
  }
}

/** The same for `count` records in one batch. */
export function receiveBatch(world: RingWorld, count: number) {
  return (thread: ModelThread) => {
    const consumer = ownerOf(new Consumer(world.lot(thread), world.at))
    consumer.setBatching(true)
    for (let i = 0; i < count; i++) get(world, thread, consumer, Infinity)
    consumer.publish()
  }
}

function get(world: RingWorld, thread: ModelThread, from: Consumer, deadline: number): void {
  let payload = from.nextBlocking(deadline)
  if (payload === -ETIMEDOUT) {
    tell(thread, world, TIMED_OUT)
    payload = from.nextBlocking(Infinity)
  }
  if (payload === DRAINED) tell(thread, world, DRAINED_DRY)
  else if (payload === -EOWNERDEAD) tell(thread, world, OWNER_DIED)
  else examine(world, thread, from, payload)
}

/** The same, waiting as a promise does: the thread's event loop listens to its bell (memory/async-waits.ts). */
export function receiveAsync(world: RingWorld) {
  return (thread: ModelThread) => {
    const { cpu } = thread
    const lot = world.lot(thread)
    const consumer = ownerOf(new Consumer(lot, world.at))
    const bell = thread.at + ThreadSlot.bell
    const arrival = consumer.record()
    let result = begin(lot, arrival, consumer.recordAt, world.record)
    while (result === PENDING) {
      cpu.exchange(bell, ASLEEP)
      if (lot.stateOf(world.record) === WAITING) thread.sleep(bell, ASLEEP, Infinity)
      cpu.store(bell, AWAKE)
      result = onBell(lot, arrival, consumer.recordAt, world.record)
    }
    examine(world, thread, consumer, result)
  }
}

/** Looks at a record that next() has returned, and releases it. */
export function examine(world: RingWorld, thread: ModelThread, from: Consumer, payload: number): void {
  const { cpu } = thread
  thread.assert(payload > 0 && payload !== BUSY, `next() answers ${payload}`)
  const number = cpu.plainLoad(payload)
  for (let i = 1; i < from.lengthBytes / 4; i++) {
    thread.assert(cpu.plainLoad(payload + i) === number, 'a record is whole')
  }
  const { redelivered } = from
  const right = thread.ghost((ghost) => {
    const isNext = number === ghost[DELIVERED] && ghost[HELD] !== 1
    const isAgain = number === ghost[DELIVERED] - 1 && ghost[HELD] !== 0 && redelivered
    ghost[DELIVERED] = number + 1
    ghost[HELD] = 1
    if (isAgain) ghost[OUTCOME] |= REDELIVERED
    return isNext || isAgain ? 1 : 0
  })
  thread.assert(right === 1, `record ${number}: in order, none lost, none again that was released`)

  cpu.load(world.scratch)
  thread.ghost((ghost) => (ghost[HELD] = 2))
  from.release()
  cpu.load(world.scratch)
  thread.ghost((ghost) => (ghost[HELD] = 0))
}

/** Everything that was committed has been delivered: for the end of a model. */
export function allDelivered(world: RingWorld, { cpu, ghost, assert }: Snapshot, count?: number): void {
  const { sent, received, tail, head } = RawChannel
  const number = cpu.load(world.at + sent)
  assert(ghost[DELIVERED] === number, `${number} records were committed, ${ghost[DELIVERED]} delivered`)
  assert(cpu.load(world.at + received) === number, 'the counters agree')
  assert((cpu.load(world.at + tail) & ~1) === (cpu.load(world.at + head) & ~1), 'the ring is empty')
  if (count !== undefined) assert(number === count, `${count} records were sent, ${number} committed`)
}
