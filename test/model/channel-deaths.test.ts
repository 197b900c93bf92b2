/** The ring of a channel when one of its sides dies, between any two instructions. */

import { test } from 'vitest'
import { receiveBatch, send, sendBatch, type RingWorld } from '../channel/ring-world.ts'
import { consumerDies, producerDies, receiveUnlessDrained, times } from './channel-models.ts'
import { holds } from './verdicts.ts'

test('a producer dies anywhere: what it committed arrives, and the next one carries on', () => {
  holds(producerDies('the producer dies', (world) => times(3, send(world, 1)), 3))
})

test('a producer dies anywhere in a batch: the committed part of it arrives', () => {
  holds(producerDies('the producer dies in a batch', (world) => [sendBatch(world, 3, 1)], 3))
})

test('a consumer dies anywhere: what it held is delivered again, what it released is not', () => {
  holds(consumerDies('the consumer dies', (world) => times(4, receiveUnlessDrained(world)), 3))
})

test('a consumer dies anywhere in a batch: the same, though it had not published what it released', () => {
  const batchAndOne = (world: RingWorld) => [receiveBatch(world, 3), receiveUnlessDrained(world)]

  holds(consumerDies('the consumer dies in a batch', batchAndOne, 3))
})
