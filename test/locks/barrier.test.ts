import { Barrier, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, freshName, pause, rejectionOf, thrownBy } from '../support.ts'

describe('phases', () => {
  test('nobody passes before all have arrived, and one in each phase is told so', async () => {
    const barrier = new Barrier(3)
    const counts = SharedMemory.default.alloc(64)
    const rounds = 2_000
    const crew = await Actor.crew(3)

    const serials = await Promise.all(
      crew.map((actor) =>
        actor.run(
          ({ Barrier, Region }, handle, region, rounds) => {
            const [barrier, counts] = [Barrier.from(handle), Region.from(region).as(Int32Array)]
            let serials = 0
            for (let round = 0; round < rounds; round++) {
              Atomics.add(counts, 0, 1)
              if (barrier.arrive({ timeoutMs: 8000 })) serials++
              if (Atomics.load(counts, 0) < 3 * (round + 1)) throw new Error(`early in round ${round}`)
            }
            return serials
          },
          barrier,
          counts,
          rounds,
        ),
      ),
    )

    expect(serials.reduce((sum, each) => sum + each)).toBe(rounds)
    expect(counts.as(Int32Array)[0]).toBe(3 * rounds)
  })

  test('a barrier for one lets it pass at once, as the one', () => {
    const barrier = new Barrier(1)

    for (let i = 0; i < 20_000; i++) expect(barrier.arrive()).toBe(true) // also beyond the last phase number
  })

  test('asynchronous arrivals and blocked ones make one phase; one thread may be several parties', async () => {
    const barrier = new Barrier(4)
    const other = await Actor.start()
    other.begin(({ Barrier, tell }, handle) => {
      const there = Barrier.from(handle)
      tell('comes')
      tell(String(there.arrive({ timeoutMs: 8000 })))
    }, barrier)
    await other.told('comes')

    const here = await Promise.all([1, 2, 3].map(() => barrier.arriveAsync({ timeoutMs: 8000 })))

    expect(here.filter((isLast) => isLast).length).toBeLessThanOrEqual(1)
    await other.told(here.includes(true) ? 'false' : 'true')
  })

  test('it is found by name, and has so many parties only', () => {
    const name = freshName()
    const barrier = Barrier.open(name, 2)

    expect(Barrier.open(name, 2)).toBe(barrier)
    expect(barrier.parties).toBe(2)
    const error = thrownBy(() => Barrier.open(name, 3))
    expect(error).toMatchObject({ code: 'EEXIST' })
    expect(error.message).toContain(`Barrier '${name}' exists and is for 2 parties; this thread asked for 3`)
  })

  test.each([0, -1, 1.5, 65_536, '2', null, undefined])('%s parties are refused', (parties) => {
    expect(thrownBy(() => new Barrier(parties as number)).code).toMatch(/^ERR_PAGEFRAME_/)
  })
})

describe('giving up', () => {
  test('an arrival whose time is up does not count', async () => {
    const name = freshName()
    const barrier = Barrier.open(name, 2)

    const error = thrownBy(() => barrier.arrive({ timeoutMs: 20 }))
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'arrive' })
    expect(error.message).toBe(`ETIMEDOUT: Barrier '${name}': only 1 of 2 have arrived in 20 ms`)
    const late = await rejectionOf(barrier.arriveAsync({ timeoutMs: 20 }))
    expect(late).toMatchObject({ code: 'ETIMEDOUT', syscall: 'arriveAsync' })

    const both = await Promise.all([barrier.arriveAsync(), barrier.arriveAsync()])
    expect(both.sort()).toEqual([false, true])
  })

  test('an aborted arrival rejects with the reason, and does not count', async () => {
    const barrier = new Barrier(2)
    const controller = new AbortController()
    const arriving = rejectionOf(barrier.arriveAsync({ signal: controller.signal }))

    controller.abort('enough')
    expect(await arriving).toBe('enough')
    expect(await rejectionOf(barrier.arriveAsync({ signal: AbortSignal.abort(3) }))).toBe(3)

    expect(thrownBy(() => barrier.arrive({ timeoutMs: 10 })).code).toBe('ETIMEDOUT')
  })

  test('aborted when all have arrived already, it has passed', async () => {
    const barrier = new Barrier(2)
    const controller = new AbortController()
    const first = barrier.arriveAsync({ signal: controller.signal })

    expect(barrier.arrive()).toBe(true)
    controller.abort('too late')

    expect(await first).toBe(false)
  })

  test('wrong options are refused before anything has changed', async () => {
    const barrier = new Barrier(2)

    expect(thrownBy(() => barrier.arrive({ timeoutMs: -1 })).code).toMatch(/^ERR_PAGEFRAME_/)
    expect((await rejectionOf(barrier.arriveAsync({ signal: 1 as never }))).code).toMatch(/^ERR_PAGEFRAME_/)
    expect((await rejectionOf(barrier.arriveAsync({ ref: 1 as never }))).code).toMatch(/^ERR_PAGEFRAME_/)

    expect(thrownBy(() => barrier.arrive({ timeoutMs: 0 })).message).toContain('only 1 of 2')
  })
})

describe('when a thread dies that takes part', () => {
  test('those who wait and those who come get EOWNERDEAD, until reset()', async () => {
    const name = freshName()
    const barrier = Barrier.open(name, 3)
    const dies = await Actor.start()
    dies.begin(({ Barrier, tell }, handle) => {
      tell('comes')
      Barrier.from(handle).arrive({ timeoutMs: 8000 })
    }, barrier)
    await dies.told('comes')
    const waiting = rejectionOf(barrier.arriveAsync({ timeoutMs: 8000 }))
    await eventually(() => barrier.arrived === 2, 'both')

    await dies.end()

    const error = await waiting
    expect(error).toMatchObject({ code: 'EOWNERDEAD', errno: -130, syscall: 'arriveAsync' })
    expect(error.message).toBe(
      `EOWNERDEAD: Barrier '${name}' is broken: thread ${dies.threadId}, which took part, died; reset() mends it`,
    )
    expect(thrownBy(() => barrier.arrive()).code).toBe('EOWNERDEAD')
    expect(barrier.broken).toBe(true)

    barrier.reset()
    expect(barrier.broken).toBe(false)
    const three = await Promise.all([1, 2, 3].map(() => barrier.arriveAsync({ timeoutMs: 5000 })))
    expect(three.filter((isLast) => isLast)).toEqual([true])
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('a blocked thread is told as well', async () => {
    const barrier = new Barrier(3)
    const crew = await Actor.crew(2)
    for (const actor of crew) {
      actor.begin(({ Barrier, tell }, handle) => {
        const there = Barrier.from(handle)
        tell('comes')
        try {
          there.arrive({ timeoutMs: 8000 })
        } catch (error) {
          tell((error as { code: string }).code)
        }
      }, barrier)
      await actor.told('comes')
    }
    await eventually(() => barrier.arrived === 2, 'both')

    await crew[0].end()

    await crew[1].told('EOWNERDEAD')
  })

  test('a member that dies between two phases breaks the next', async () => {
    const barrier = new Barrier(2)
    const other = await Actor.start()
    other.begin(({ Barrier }, handle) => Barrier.from(handle).arrive({ timeoutMs: 8000 }), barrier)
    await barrier.arriveAsync({ timeoutMs: 8000 })

    await other.end()

    await eventually(() => barrier.broken, 'the reaper')
  })

  test('whoever has never arrived breaks nothing, and what no member is left of is as new', async () => {
    const barrier = new Barrier(2)
    const idle = await Actor.start()
    await idle.run(({ Barrier }, handle) => Barrier.from(handle).parties, barrier)
    const pair = await Actor.crew(2)
    const arrive = ({ Barrier }: { Barrier: typeof import('pageframe').Barrier }, handle: unknown) =>
      Barrier.from(handle).arrive({ timeoutMs: 8000 })
    await Promise.all(pair.map((actor) => actor.run(arrive, barrier)))

    await Promise.all([idle, ...pair].map((actor) => actor.end()))
    await eventually(() => SharedMemory.default.check().problems.length === 0, 'the reaper')

    expect(await Promise.all([barrier.arriveAsync(), barrier.arriveAsync()])).toContain(true)
  })
})

test('who waits at a barrier that is destroyed gets ESTALE', async () => {
  const old = new Barrier(3)
  const waiting = [1, 2].map(() => rejectionOf(old.arriveAsync({ timeoutMs: 5000 })))
  await pause(10)

  old.destroy()
  const heir = new Barrier(3)

  expect((await Promise.all(waiting)).map((error) => error.code)).toEqual(['ESTALE', 'ESTALE'])
  expect(thrownBy(() => old.arrive()).code).toBe('ESTALE')
  expect(thrownBy(() => heir.arrive({ timeoutMs: 0 })).message).toContain('only 1 of 3')
})
