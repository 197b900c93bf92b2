/** Threads that meet at a barrier and are killed at any moment: whoever lives is told, mends it and goes on. */

import { Barrier, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, pause } from '../support.ts'

const PARTIES = 3
const KILLS = 12

test(
  'random deaths leave nobody waiting, and no phase with a party too few',
  { timeout: 60_000 },
  async () => {
    const barrier = new Barrier(PARTIES)
    const counts = SharedMemory.default.alloc(64) // arrivals begun, phases ended
    const start = async () => {
      const actor = await Actor.start()
      actor.begin(
        ({ Barrier, Region, tell }, handle, region) => {
          const [barrier, counts] = [Barrier.from(handle), Region.from(region).as(Int32Array)]
          for (;;) {
            Atomics.add(counts, 0, 1)
            try {
              if (barrier.arrive({ timeoutMs: 20_000 })) Atomics.add(counts, 1, 1)
            } catch (error) {
              if ((error as { code: string }).code !== 'EOWNERDEAD') {
                tell(String(error))
                throw error
              }
              barrier.reset()
            }
          }
        },
        barrier,
        counts,
      )
      return actor
    }
    const crew = await Promise.all(Array.from({ length: PARTIES }, start))
    const words = counts.as(Int32Array)

    for (let kill = 0; kill < KILLS; kill++) {
      const before = Atomics.load(words, 1)
      for (let i = 0; Atomics.load(words, 1) < before + 20; i++) {
        if (i > 4000) throw new Error(`no phase ends after ${kill} deaths`)
        await pause(5)
      }
      await pause(Math.random() * 5)
      const victim = Math.floor(Math.random() * PARTIES)
      await crew[victim].end()
      crew[victim] = await start()
    }

    const [begun, ended] = [Atomics.load(words, 0), Atomics.load(words, 1)]
    expect(begun).toBeGreaterThanOrEqual(ended * PARTIES)
    await Promise.all(crew.map((actor) => actor.end()))
    expect(SharedMemory.default.check().problems).toEqual([])
  },
)
