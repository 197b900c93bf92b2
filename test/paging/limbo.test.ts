import { expect, test } from 'vitest'
import { Frame } from '../../src/frames/frame.ts'
import { frameAt } from '../../src/frames/zone.ts'
import { batchProblems, LimboBatch } from '../../src/paging/batch.ts'
import { Limbo, type Volley } from '../../src/paging/limbo.ts'
import { Pins } from '../../src/paging/pins.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { isMarker, markerOf, TAKEN } from '../../src/paging/pte.ts'
import { PAGE_SIZE } from '../../src/words/constants.ts'
import { Blocked } from '../frames/world.ts'
import { limboWorld } from './limbo-world.ts'

type World = ReturnType<typeof limboWorld>

/** Process 1 loses its page 0, and is shot. */
function takeFrom(world: World, volley: Volley, index = 1, page = 0): number {
  const pfn = world.map(index, page)
  expect(volley.take(world.entryAt(index, page), world.pteOf(pfn))).toBe(true)
  return pfn
}

test('a frame that was taken away is free when the process that had it has acknowledged, and not before', () => {
  const world = limboWorld()
  world.start(1)
  const volley = world.volley()
  const pfn = takeFrom(world, volley)
  volley.shoot(1)
  volley.close()

  expect(world.cpu.load(world.entryAt(1))).toBe(0)
  expect([world.limbo.drain(), world.isFree(pfn)]).toEqual([1, false])
  world.acknowledge(1)
  expect([world.limbo.drain(), world.isFree(pfn)]).toEqual([0, true])
})

test.each([
  [
    'goes offline',
    (world: World) => {
      world.goOffline(1)
    },
  ],
  [
    'dies',
    (world: World) => {
      world.kill(1)
    },
  ],
  [
    'has no thread any more',
    (world: World) => {
      world.cpu.store(world.at(1) + TlbState.tid, 0)
    },
  ],
] as const)('it is free when the process %s', (_how, leave) => {
  // prettier-ignore
  const world = limboWorld()
  world.start(1)
  const volley = world.volley()
  const pfn = takeFrom(world, volley)
  volley.shoot(1)
  volley.close()
  expect(world.limbo.drain()).toBe(1)

  leave(world)

  expect(world.isFree(pfn)).toBe(true)
})

test('every process that was shot is waited for; an older generation is no answer', () => {
  const world = limboWorld()
  for (const index of [1, 2, 7]) world.start(index)
  const volley = world.volley()
  const pfn = takeFrom(world, volley)
  for (const index of [1, 2, 7]) volley.shoot(index)
  volley.close()
  world.acknowledge(7)
  world.acknowledge(2)
  const again = world.volley()
  const next = takeFrom(world, again, 1, 1)
  again.shoot(1)
  again.close()

  expect(world.limbo.drain()).toBe(2)
  world.cpu.store(world.at(1) + TlbState.ack, 2) // the first shot, not the second
  expect([world.limbo.drain(), world.isFree(pfn), world.isFree(next)]).toEqual([1, true, false])
  world.acknowledge(1)
  expect(world.isFree(next)).toBe(true)
})

test('generations go round: what is 2 behind the smallest number has not acknowledged it', () => {
  const world = limboWorld()
  world.cpu.store(world.at(1) + TlbState.gen, 0x7ffffffe)
  world.start(1)
  const volley = world.volley()
  takeFrom(world, volley)
  volley.shoot(1)
  volley.close()

  expect(world.cpu.load(world.at(1) + TlbState.gen)).toBe(-0x80000000)
  expect(world.limbo.drain()).toBe(1)
  world.acknowledge(1)
  expect(world.limbo.drain()).toBe(0)
})

test('thousands of frames go into one volley, and none of them needs memory', () => {
  const world = limboWorld(4096)
  world.start(1)
  const free = world.frames.freeBytes()
  const volley = world.volley()
  const inUse = free - world.frames.freeBytes()
  const taken: number[] = []
  for (let i = 0; i < 3000; i++) taken.push(takeFrom(world, volley))
  while (world.frames.allocFrame() > 0);
  volley.shoot(1)
  volley.close()

  expect(world.limbo.pending).toBe(3000)
  world.acknowledge(1)
  expect(world.limbo.drain()).toBe(0)
  world.frames.drainRetired()
  expect(world.frames.freeBytes()).toBe(3000 * PAGE_SIZE)
  expect(inUse).toBe(PAGE_SIZE)
})

test('an entry that holds something else by now is left alone', () => {
  const world = limboWorld()
  world.start(1)
  const pfn = world.map(1)
  const volley = world.volley()

  expect(volley.take(world.entryAt(1), world.pteOf(pfn) | 8)).toBe(false)
  volley.close()

  expect(world.cpu.load(world.entryAt(1))).toBe(world.pteOf(pfn))
  expect(world.objectOf(pfn)).toBe(world.at(1))
  expect(world.limbo.pending).toBe(0)
})

test('a frame whose linker has not owned it yet is waited for, with the entry as it was', () => {
  const world = limboWorld()
  const pfn = world.frames.allocFrame()
  world.cpu.store(world.entryAt(1), world.pteOf(pfn))
  const volley = world.volley()

  expect(() => volley.take(world.entryAt(1), world.pteOf(pfn))).toThrow(Blocked)
  expect(world.cpu.load(world.entryAt(1))).toBe(world.pteOf(pfn))
})

test('a run leaves as a whole', () => {
  const world = limboWorld()
  const pfn = world.frames.allocRun(5 * PAGE_SIZE)
  world.frames.own(pfn, 99)
  const pins = new Pins(world.frames)
  const cells = pins.pin([{ pfn: pfn + 3, count: 1 }], world.at(0)) as number[]

  expect(world.limbo.put(pfn)).toBe(0)
  expect(world.limbo.drain()).toBe(5)
  pins.unpin(cells)
  expect([world.limbo.drain(), world.isFree(pfn)]).toEqual([0, true])
})

test('a frame that a view is pinned to stays until the view is disposed, among others that go', () => {
  const world = limboWorld()
  world.start(1)
  const pins = new Pins(world.frames)
  const volley = world.volley()
  const taken = [0, 1, 2, 3, 4].map((page) => takeFrom(world, volley, 1, page))
  volley.shoot(1)
  volley.close()
  const cells = pins.pin([{ pfn: taken[0], count: 1 }, { pfn: taken[2], count: 1 }], world.at(1)) as number[] // prettier-ignore
  world.acknowledge(1)

  expect(world.limbo.drain()).toBe(2)
  expect(taken.map((pfn) => world.isFree(pfn))).toEqual([false, true, false, true, true])
  expect(world.limbo.wait(1000)).toBe(false) // at once: nobody will acknowledge anything
  pins.unpin(cells)
  expect(world.limbo.wait(0)).toBe(true)
  expect(taken.every((pfn) => world.isFree(pfn))).toBe(true)
})

test('a frame is freed only when nobody walks the kernel any more', () => {
  const world = limboWorld()
  const reader = world.threadFrames(3)
  const volley = world.volley()
  const pfn = takeFrom(world, volley)
  reader.enterKernel()
  volley.close()

  expect(world.frames.drainRetired()).toBe(1)
  expect(world.isFree(pfn)).toBe(false)
  reader.leaveKernel()
  expect(world.frames.drainRetired()).toBe(0)
  expect(world.isFree(pfn)).toBe(true)
})

test('what one thread has taken away, and is idle since, is free for whoever needs memory', () => {
  const world = limboWorld()
  world.start(1)
  const idle = new Limbo(world.threadFrames(3), world.processes)
  const volley = world.volley(idle)
  const pfn = takeFrom(world, volley)
  volley.shoot(1)
  volley.close()
  expect([world.limbo.pending, idle.pending]).toEqual([1, 1])

  world.acknowledge(1)
  world.frames.drainRetired()

  expect([world.limbo.pending, idle.pending, world.isFree(pfn)]).toEqual([0, 0, true])
})

test('a refill of the magazine looks into limbo, and so does an allocation when memory is out', () => {
  const world = limboWorld()
  world.start(1)
  const volley = world.volley()
  const pfn = takeFrom(world, volley)
  volley.shoot(1)
  volley.close()
  let now = 0
  const pass = () => now++
  Object.assign(world.frames.thread, { now: () => now, awaitChange: pass })
  while (world.frames.allocFrame() > 0);
  expect(now).toBe(10) // it has waited so long for the process

  world.acknowledge(1)

  expect(world.frames.allocFrame()).toBe(pfn)
})

test('who is waited for longer than a second is named, once', () => {
  const world = limboWorld()
  let now = 0
  world.frames.thread.now = () => now
  const told: unknown[] = []
  world.limbo.onStuck = (...what) => told.push(what)
  world.start(2)
  const volley = world.volley()
  takeFrom(world, volley, 2)
  volley.shoot(2)
  volley.close()

  for (now = 0; now < 5000; now += 500) world.limbo.drain()

  expect(told).toEqual([[2, 1500]])
})

test('a thread that waits for a process waits for a change of its acknowledgement, and gives up in time', () => {
  const world = limboWorld()
  world.start(2)
  const volley = world.volley()
  const pfn = takeFrom(world, volley, 2)
  volley.shoot(2)
  volley.close()
  let now = 0
  const waited: number[] = []
  Object.assign(world.frames.thread, {
    now: () => now,
    awaitChange: (at: number) => {
      waited.push(at)
      now += 3
      if (waited.length === 6) world.acknowledge(2)
    },
  })

  expect(world.limbo.wait(10)).toBe(false)
  expect(waited).toEqual(new Array(4).fill(world.at(2) + TlbState.ack))
  expect(world.limbo.wait(10)).toBe(true)
  expect(world.isFree(pfn)).toBe(true)
})

// ── deaths ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Thread 5 does something, and dies; thread 0 reaps it. */
function dying(world: World) {
  const frames = world.threadFrames(5)
  const limbo = new Limbo(frames, world.processes)
  return {
    limbo,
    reap: () => {
      world.kill(5)
      for (let round = 0; round < 2; round++) {
        for (const at of world.frames.unfinishedCellsOf(LimboBatch.signature, world.tid(5)))
          world.limbo.inherit(at)
        world.frames.repair(world.tid(5))
      }
    },
  }
}

test('the reaper inherits what a dead thread had put away, with those it waited for', () => {
  const world = limboWorld()
  world.start(1)
  const { limbo, reap } = dying(world)
  const volley = world.volley(limbo)
  const pfn = takeFrom(world, volley)
  volley.shoot(1)
  volley.close()

  reap()

  expect(world.limbo.drain()).toBe(1)
  world.acknowledge(1)
  expect([world.limbo.drain(), world.isFree(pfn)]).toEqual([0, true])
  expect(world.frames.check()).toEqual([])
})

test('where the dead had not closed its volley, every process has to acknowledge', () => {
  const world = limboWorld()
  world.start(1)
  world.start(2)
  const { limbo, reap } = dying(world)
  const volley = world.volley(limbo)
  const pfn = takeFrom(world, volley)
  volley.shoot(1)
  world.acknowledge(1)

  reap()

  expect(world.limbo.drain()).toBe(1)
  world.acknowledge(1)
  expect(world.limbo.drain()).toBe(1)
  world.acknowledge(2)
  expect([world.limbo.drain(), world.isFree(pfn)]).toEqual([0, true])
})

test('what a dead thread had put away empty is nothing', () => {
  const world = limboWorld()
  const { limbo, reap } = dying(world)
  expect(limbo.prepare()).toBe(0)
  world.volley(limbo)

  reap()

  expect(world.limbo.drain()).toBe(0)
  expect([...world.frames.unfinishedCellsOf(LimboBatch.signature, world.tid(0))]).toEqual([])
  expect([...world.frames.unfinishedCellsOf(LimboBatch.signature, world.tid(5))]).toEqual([])
})

test('a taking that the dead had begun is finished', () => {
  const world = limboWorld()
  const { limbo, reap } = dying(world)
  world.volley(limbo)
  const [batch] = world.frames.unfinishedCellsOf(LimboBatch.signature, world.tid(5))
  const pfn = world.map(1)
  world.cpu.store(batch + LimboBatch.taking, world.entryAt(1))
  world.cpu.store(world.entryAt(1), markerOf(pfn, TAKEN))

  reap()

  expect(isMarker(world.cpu.load(world.entryAt(1)), TAKEN)).toBe(false)
  expect(world.cpu.load(world.entryAt(1))).toBe(0)
  expect([world.limbo.drain(), world.isFree(pfn)]).toEqual([0, true])
})

test('a batch at rest is checked: what it lists is its own, each once, and counted', () => {
  const world = limboWorld()
  world.start(1)
  const volley = world.volley()
  const [first, second] = [takeFrom(world, volley, 1, 0), takeFrom(world, volley, 1, 1)]
  volley.shoot(1)
  volley.close()
  const [batch] = world.frames.cellsOf(LimboBatch.signature)
  const problems = () => [...batchProblems(world.frames, batch)].join()
  const linkAt = frameAt(world.geometry, first) + Frame.link
  const objectAt = frameAt(world.geometry, second) + Frame.object

  expect(problems()).toBe('')
  world.cpu.store(linkAt, second)
  expect(problems()).toContain('twice')
  world.cpu.store(linkAt, 0)
  world.cpu.store(objectAt, 7)
  expect(problems()).toContain('not its own')
  world.cpu.store(objectAt, batch)
  world.cpu.store(batch + LimboBatch.frames, 3)
  expect(problems()).toContain('counts 3 frames, and there are 2')
})
