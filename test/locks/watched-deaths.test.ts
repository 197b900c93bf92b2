/** Watched locks under load while their threads die: nothing is lost, nobody is told of a deadlock that is none. */

import { Mutex, RwLock, SharedMemory } from 'pageframe'
import { deadlocks, lockOrder, lockStatistics, waitGraph } from 'pageframe/inspect'
import { expect, test } from 'vitest'
import { Actor, eventually, pause } from '../support.ts'

const LOCKS = 4
const KILLS = 6

test(
  'threads that take several locks in one order, and are killed at any moment',
  { timeout: 60_000 },
  async () => {
    const memory = new SharedMemory({ size: '64MiB', locks: { deadlocks: true, statistics: true } })
    const locks = Array.from({ length: LOCKS }, (_, i) => new Mutex({ name: `lock ${i}`, memory }))
    const work = async () => {
      const actor = await Actor.start()
      actor.begin(({ Mutex, tell }, handles) => {
        const locks = handles.map((handle) => Mutex.from(handle))
        for (let round = 0; ; round++) {
          const first = round % locks.length
          for (const lock of locks.slice(first)) if (lock.lock().ownerDied) lock.markConsistent()
          for (const lock of locks.slice(first).reverse()) lock.unlock()
          if (round === 10) tell('works')
        }
      }, locks)
      await actor.told('works')
      return actor
    }
    let crew: Actor[] = await Promise.all([work(), work(), work()])

    for (let kill = 0; kill < KILLS; kill++) {
      await pause(20)
      expect(waitGraph(memory).cycles).toEqual([])
      await crew[0].end()
      crew = [...crew.slice(1), await work()]
    }
    await Promise.all(crew.map((actor) => actor.end()))
    for (const lock of locks) {
      if (lock.lock({ timeoutMs: 10_000 }).ownerDied) lock.markConsistent()
      lock.unlock()
    }

    expect(crew.map(({ failure }) => failure)).toEqual([undefined, undefined, undefined])
    expect(deadlocks(memory)).toEqual([])
    expect(lockOrder(memory).inversions).toEqual([])
    expect(lockOrder(memory).orders).toHaveLength((LOCKS * (LOCKS - 1)) / 2)
    expect(lockStatistics(memory).map(({ acquisitions }) => acquisitions > 10)).toEqual(locks.map(() => true))
    await eventually(() => memory.check().ok, 'the reaper').catch(() => undefined)
    expect(memory.check().problems).toEqual([])
    memory.destroy()
  },
)

test('what a dead thread noted returns to the memory', { timeout: 60_000 }, async () => {
  const memory = new SharedMemory({ size: '64MiB', locks: { deadlocks: true } })
  const lock = new Mutex({ name: 'lock', memory })
  lock.run(() => undefined)
  const once = async () => {
    const actor = await Actor.start()
    await actor.run(({ Mutex }, handle) => {
      Mutex.from(handle).run(() => undefined)
    }, lock)
    await actor.end()
    await eventually(() => memory.check().ok, 'the reaper')
  }
  await once()
  await pause(50)
  const used = memory.usedBytes

  for (let i = 0; i < 3; i++) await once()
  await eventually(() => memory.usedBytes <= used, 'the same use as before')

  memory.destroy()
})

test(
  'threads and tasks that take locks in any order: each deadlock is found, so all come through',
  { timeout: 60_000 },
  async () => {
    const memory = new SharedMemory({ size: '64MiB', locks: { deadlocks: true } })
    const locks = Array.from({ length: 3 }, (_, i) => new Mutex({ name: `lock ${i}`, memory }))
    const shared = new RwLock({ name: 'shared', memory })
    const crew = await Actor.crew(3)
    const blocking = crew.map((actor) =>
      actor.runWithin(
        40_000,
        ({ Mutex, RwLock }, handles, handle) => {
          const shared = RwLock.from(handle)
          const all = [...handles.map((each) => Mutex.from(each)), shared.read, shared.write]
          let refused = 0
          for (let round = 0; round < 300; round++) {
            const [outer, inner] = all
              .map((lock) => ({ lock, at: Math.random() }))
              .sort((a, b) => a.at - b.at)
            try {
              outer.lock.run(() => {
                inner.lock.run(() => undefined)
              })
            } catch (error) {
              if ((error as { code?: string }).code !== 'EDEADLK') throw error
              refused++
            }
          }
          return refused
        },
        locks,
        shared,
      ),
    )
    const task = async () => {
      let refused = 0
      for (let round = 0; round < 100; round++) {
        const [outer, inner] = locks.map((lock) => ({ lock, at: Math.random() })).sort((a, b) => a.at - b.at)
        try {
          await outer.lock.runAsync(() => inner.lock.runAsync(() => undefined))
        } catch (error) {
          if ((error as { code?: string }).code !== 'EDEADLK') throw error
          refused++
        }
      }
      return refused
    }

    const refused = await Promise.all([...blocking, task(), task()])

    expect(refused.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(0)
    expect(waitGraph(memory).holds).toEqual([])
    expect(waitGraph(memory).waits).toEqual([])
    await Promise.all(crew.map((actor) => actor.end()))
    await eventually(() => memory.check().ok, 'the reaper').catch(() => undefined)
    expect(memory.check().problems).toEqual([])
    memory.destroy()
  },
)
