/** One ring, with those who send and those who receive: what the models of a channel share. */

import { Consumer } from '../../src/channel/consumer.ts'
import { Producer } from '../../src/channel/producer.ts'
import { repairChannel } from '../../src/channel/repair.ts'
import { CLOSED, closeChannel, CONSUMER_DIED, PRODUCER_DIED, RawChannel } from '../../src/channel/ring.ts'
import { repairSync } from '../../src/sync/repair.ts'
import type { GatedOperation, Model, ModelThread, Operation, Run, Snapshot } from '../../src/testing/model.ts'
import {
  allDelivered,
  DRAINED_DRY,
  join,
  OUTCOME,
  OWNER_DIED,
  PIPE_BROKE,
  receive,
  ringWorld,
  send,
  type RingWorld,
} from '../channel/ring-world.ts'

export const times = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of)

// ── one producer, one consumer ────────────────────────────────────────────────────────────────────────────────────

interface Sides extends Pick<Model, 'bounds' | 'final'> {
  readonly sends: readonly Operation[]
  readonly receives: readonly Operation[]
  /** What a third thread does. */
  readonly other?: Operation
}

/** If `count` is given, so many records have been committed in the end, and all of them delivered. */
export function between(world: RingWorld, name: string, sides: Sides, count?: number): Model {
  const { sends, receives, other, bounds, final } = sides
  return {
    ...world.base,
    name: `channel: ${name}`,
    threads: [
      [join(world, Producer), ...sends],
      [join(world, Consumer), ...receives],
      ...(other === undefined ? [] : [[other]]),
    ],
    bounds,
    final: (state) => {
      if (count !== undefined) allDelivered(world, state, count)
      final?.(state)
    },
  }
}

export function close(world: RingWorld): Run {
  return (thread) => {
    closeChannel(world.lot(thread), world.at)
  }
}

export function happened({ ghost, assert }: Snapshot, outcome: number, what: string): void {
  assert((ghost[OUTCOME] & outcome) !== 0, what)
}

// ── one of them dies, and has a successor ─────────────────────────────────────────────────────────────────────────

export type Repair = (world: RingWorld) => (thread: ModelThread, dead: number) => void

const repair: Repair = (world) => (thread, dead) => {
  const lot = world.lot(thread)
  repairSync(lot, dead)
  repairChannel(lot, world.at, dead)
}

const PRODUCER = 0
const CONSUMER = 1

/** The producer may die anywhere. A second one comes and sends what is missing of `count` records, and closes. */
export function producerDies(
  name: string,
  first: (world: RingWorld) => Operation[],
  count: number,
  reaper = repair,
): Model {
  const world = ringWorld(3, 8)
  const { producer, sent, state } = RawChannel
  const isOwned: GatedOperation['when'] = ({ cpu, ghost }) =>
    (ghost[OUTCOME] & OWNER_DIED) === 0 ||
    (cpu.load(world.at + state) & (PRODUCER_DIED | CLOSED)) !== PRODUCER_DIED
  const sendMissing = (thread: ModelThread): void => {
    if (thread.cpu.load(world.at + producer) !== thread.tid) return
    if (thread.cpu.load(world.at + sent) < count) send(world, 1)(thread)
  }
  return dies(world, name, PRODUCER, count, reaper, [
    [join(world, Producer), ...first(world)],
    [join(world, Consumer), ...times(count + 2, { run: receiveUnlessDrained(world), when: isOwned })],
    [succeeds(world, PRODUCER), ...times(count, sendMissing), close(world)],
  ])
}

/** The consumer may die anywhere. A second one comes; the producer sends again when it has. */
export function consumerDies(
  name: string,
  first: (world: RingWorld) => Operation[],
  count: number,
  reaper = repair,
): Model {
  const world = ringWorld(3, 8)
  const { consumer, sent, state } = RawChannel
  const isOwned: GatedOperation['when'] = ({ cpu, ghost }) =>
    (ghost[OUTCOME] & PIPE_BROKE) === 0 ||
    (cpu.load(world.at + state) & (CONSUMER_DIED | CLOSED)) !== CONSUMER_DIED
  const sendNext = (thread: ModelThread): void => {
    if (thread.cpu.load(world.at + sent) < count) send(world, 1)(thread)
  }
  const receiveIfOwner = (thread: ModelThread): void => {
    if (thread.cpu.load(world.at + consumer) === thread.tid) receiveUnlessDrained(world)(thread)
  }
  return dies(world, name, CONSUMER, count, reaper, [
    [join(world, Producer), ...times(count + 1, { run: sendNext, when: isOwned }), close(world)],
    [join(world, Consumer), ...first(world)],
    [succeeds(world, CONSUMER), ...times(count + 1, receiveIfOwner)],
  ])
}

function dies(
  world: RingWorld,
  name: string,
  side: number,
  count: number,
  reaper: Repair,
  threads: Model['threads'],
): Model {
  return {
    ...world.base,
    name: `channel: ${name}`,
    threads,
    kill: [side],
    reaper: [reaper(world)],
    bounds: { preemptions: 1 },
    final: (state) => {
      allDelivered(world, state, count)
      happened(state, DRAINED_DRY, 'the end is told')
    },
  }
}

/** Takes a role once its first owner has finished, or has died and been reaped. Only if it died, for else it has it still. */
function succeeds(world: RingWorld, side: number): GatedOperation {
  const role = world.at + (side === PRODUCER ? RawChannel.producer : RawChannel.consumer)
  return {
    when: (state) => state.isFinished(side) && (!state.isDead(side) || state.cpu.load(role) === 0),
    run: (thread) => {
      if (thread.cpu.load(role) === 0) join(world, side === PRODUCER ? Producer : Consumer)(thread)
    },
  }
}

export function receiveUnlessDrained(world: RingWorld): Run {
  return (thread) => {
    thread.cpu.load(world.scratch)
    if (thread.ghost((ghost) => ghost[OUTCOME] & DRAINED_DRY) === 0) receive(world)(thread)
  }
}
