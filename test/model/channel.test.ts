/** The ring of a channel in every interleaving: time-outs, batches, padding, closes. */

import { test } from 'vitest'
import { RawChannel } from '../../src/channel/ring.ts'
import {
  DRAINED_DRY,
  PIPE_BROKE,
  receive,
  receiveAsync,
  receiveBatch,
  ringWorld,
  send,
  sendBatch,
} from '../channel/ring-world.ts'
import { between, close, happened, times } from './channel-models.ts'
import { holds } from './verdicts.ts'

test('every record arrives, in order, through a ring that holds two of them', () => {
  const world = ringWorld(2, 8)
  const sides = { sends: times(3, send(world)), receives: times(3, receive(world)) }

  holds(between(world, '3 records, ring of 2', sides, 3))
})

test('records that do not fit into the rest of a lap are whole, behind a padding', () => {
  const world = ringWorld(2, 16)
  const sides = { sends: times(3, send(world, 4)), receives: times(3, receive(world)) }

  holds(between(world, 'records of 6 words, laps of 16', sides, 3))
})

test('a batch that is longer than the ring arrives all the same, on both sides', () => {
  const world = ringWorld(2, 8)
  const sides = {
    sends: [sendBatch(world, 3)],
    receives: [receiveBatch(world, 3)],
    bounds: { preemptions: 4 },
  }

  holds(between(world, 'batch of 3, ring of 2', sides, 3))
})

test('a wait that runs out takes nothing, and nothing is lost', () => {
  const world = ringWorld(2, 8)
  const sides = {
    sends: [send(world), send(world), send(world, 2, 100)],
    receives: [receive(world, 100), ...times(2, receive(world))],
    bounds: { timeouts: 1 },
  }

  holds(between(world, 'time-outs on both sides', sides, 3))
})

test('a consumer that waits by promise is woken too', () => {
  const world = ringWorld(2, 8)
  const sides = { sends: times(3, send(world)), receives: times(3, receiveAsync(world)) }

  holds(between(world, 'asynchronous consumer', sides, 3))
})

test('what was sent before the close is received, and then the end is', () => {
  const world = ringWorld(2, 8)

  holds(
    between(
      world,
      'the producer closes',
      {
        sends: [send(world), send(world), close(world)],
        receives: times(3, receive(world)),
        final: (state) => {
          happened(state, DRAINED_DRY, 'the end is told')
        },
      },
      2,
    ),
  )
})

test('a close by the consumer wakes the producer that waits for room', () => {
  const world = ringWorld(2, 8)

  holds(
    between(world, 'the consumer closes', {
      sends: times(3, send(world)),
      receives: [close(world), ...times(3, receive(world))],
      final: (state) => {
        if (state.cpu.load(world.at + RawChannel.sent) < 3)
          happened(state, PIPE_BROKE, 'the producer is told')
      },
    }),
  )
})

test('a third thread closes, and both sides come to an end', () => {
  const world = ringWorld(3, 8)

  holds(
    between(world, 'a third thread closes', {
      sends: times(3, send(world)),
      receives: times(4, receive(world)),
      other: close(world),
      bounds: { preemptions: 3 },
      final: (state) => {
        happened(state, DRAINED_DRY, 'the end is told')
      },
    }),
  )
})
