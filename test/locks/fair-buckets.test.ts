/** Hand-overs are spaced by bucket, and many things share one: what is accepted elsewhere must not hold a lock's up. */

import { Barrier } from 'pageframe'
import { defaultAttachment } from 'pageframe/internals'
import { expect, test } from 'vitest'
import { Bucket } from '../../src/sync/wait-record.ts'
import { Actor } from '../support.ts'

test('a barrier that lets its sleepers go does not put off the hand-over of locks', async () => {
  const barrier = new Barrier(2)
  const other = await Actor.start()
  const arrived = other.run(({ Barrier, tell }, handle) => {
    tell('arrives')
    return Barrier.from(handle).arrive()
  }, barrier)
  await other.told('arrives')
  await new Promise((resolve) => setTimeout(resolve, 50)) // it sleeps

  barrier.arrive()
  await arrived

  const { cpu, lot, thread } = defaultAttachment()
  const { bucketsAt, bucketCount } = lot.geometry
  const paused: number[] = []
  for (let bucket = bucketsAt; bucket < bucketsAt + bucketCount * Bucket.sizeof; bucket += Bucket.sizeof) {
    const fairAt = cpu.load(bucket + Bucket.fairAt)
    if (fairAt !== 0 && ((fairAt - thread.now()) | 0) > 100) paused.push(bucket)
  }
  expect(paused).toEqual([])
})
