/** Epochs, with real workers. */

import { Epoch, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, pause, rejectionOf, thrownBy } from '../support.ts'

/** Another thread is in a section until it is ended. */
async function insideElsewhere(epoch: Epoch): Promise<Actor> {
  const other = await Actor.start()
  other.begin(({ Epoch, tell }, handle) => {
    Epoch.from(handle).enter()
    tell('inside')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
  }, epoch)
  await other.told('inside')
  return other
}

describe('grace periods', () => {
  test('whoever was in is waited for; who comes later is not', async () => {
    const epoch = new Epoch()
    epoch.synchronize()
    const first = await insideElsewhere(epoch)
    const waiting = epoch.synchronizeAsync({ timeoutMs: 5000 })
    await insideElsewhere(epoch)

    await first.end() // a dead thread is in no section

    await waiting
    expect(thrownBy(() => { epoch.synchronize({ timeoutMs: 20 }) })).toMatchObject({ code: 'ETIMEDOUT' }) // prettier-ignore
  })

  test('a section in this thread: EDEADLK to block for, and the asynchronous form waits for it', async () => {
    const epoch = new Epoch()
    const section = epoch.enter()
    epoch.enter()
    let isOver = false

    expect(thrownBy(() => { epoch.synchronize() })).toMatchObject({ code: 'EDEADLK' }) // prettier-ignore
    const waiting = epoch.synchronizeAsync().then(() => (isOver = true))
    epoch.leave()
    await pause(10)
    expect(isOver).toBe(false)
    section[Symbol.dispose]()
    await waiting

    expect(thrownBy(() => { epoch.leave() })).toMatchObject({ code: 'EPERM' }) // prettier-ignore
    expect(epoch.run(() => 7)).toBe(7)
  })

  test('what is overwritten after a grace period is looked at by nobody', async () => {
    const epoch = new Epoch()
    const region = SharedMemory.default.alloc(4096)
    const words = region.as(Int32Array)
    // words[0] says which of 8 places is in use; a place in use holds its own number, one that is not holds -1
    words.fill(-1)
    words[0] = 8
    words[8] = 8
    const crew = await Actor.crew(2)
    const work = crew.map((actor) =>
      actor.run(
        ({ Epoch, Region, tell }, handle, data) => {
          const there = Epoch.from(handle)
          const its = Region.from(data).as(Int32Array)
          let wrong = 0
          let count = 0
          while (Atomics.load(its, 100) !== 1) {
            there.run(() => {
              const place = Atomics.load(its, 0)
              for (let i = 0; i < 20; i++) if (its[place] !== place) wrong++
            })
            if (++count === 1) tell('runs')
          }
          return { wrong, count }
        },
        epoch,
        region,
      ),
    )

    await Promise.all(crew.map((actor) => actor.told('runs')))
    for (let i = 0; i < 3000; i++) {
      const [old, next] = [8 + (i % 8), 8 + ((i + 1) % 8)]
      words[next] = next
      Atomics.store(words, 0, next)
      epoch.synchronize({ timeoutMs: 5000 })
      words[old] = -1
    }
    Atomics.store(words, 100, 1)

    for (const { wrong, count } of await Promise.all(work)) {
      expect(wrong).toBe(0)
      expect(count).toBeGreaterThan(1)
    }
  })

  test('destroyed: whoever waits or comes gets ESTALE, and what lies there next has nobody in it', async () => {
    const epoch = new Epoch()
    await insideElsewhere(epoch)
    const waiting = rejectionOf(epoch.synchronizeAsync())
    await pause(10)

    epoch.destroy()

    expect(await waiting).toMatchObject({ code: 'ESTALE' })
    expect(thrownBy(() => epoch.enter())).toMatchObject({ code: 'ESTALE' })
    const next = Array.from({ length: 40 }, () => new Epoch())
    for (const one of next) one.synchronize({ timeoutMs: 1000 })
    for (const one of next) one.destroy()
  })
})
