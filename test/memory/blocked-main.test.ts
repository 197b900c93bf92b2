/** The main thread is asleep in one of our waits, or blocked elsewhere: who comes, and who dies, meanwhile. */

import { Mutex, Region, Semaphore, SharedMemory } from 'pageframe'
import { attachmentById, threadMemories } from 'pageframe/internals'
import { describe, expect, test } from 'vitest'
import { sharedNow } from '../../src/host/clock.ts'
import { Superblock } from '../../src/memory/superblock.ts'
import {
  CLAIMED,
  claimSlot,
  FREE,
  isInState,
  moveState,
  SLOT_COUNT,
  slotIndexOf,
  stateOf,
  ThreadSlot,
} from '../../src/threads/slot.ts'
import { Actor, eventually, pause, script } from '../support.ts'
import { reaped, slotsOf } from './slots.ts'

describe('while the main thread is blocked in one of our waits', () => {
  test('a new worker is let in, and the lock is handed on when it dies', async () => {
    const lock = new Mutex()
    // Starts while main's event loop runs; touches shared memory only when told by a word, when main sleeps.
    const gate = new SharedArrayBuffer(4)
    const first = await Actor.start()
    await first.run(({ Mutex }, handle) => void Mutex.from(handle).lock(), lock)
    const late = await Actor.start()
    late.begin(
      ({ Mutex, Semaphore }, handle, word) => {
        const go = new Int32Array(word)
        Atomics.wait(go, 0, 0, 300)
        // First use of the memory: main sleeps in lock().
        const there = Mutex.from(handle)
        Semaphore.open('late', 0).release()
        Atomics.store(go, 0, there.owner === null ? 3 : 2)
      },
      lock,
      gate,
    )
    first.begin(() => { // dies by itself while main sleeps
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500)
      process.exit(1)
    }) // prettier-ignore

    const token = lock.lock({ timeoutMs: 8000 })

    expect(token.ownerDied).toBe(true)
    expect(new Int32Array(gate)[0]).toBe(2)
    lock.markConsistent()
    token.unlock()
    expect(SharedMemory.default.check().problems).toEqual([])
  })

  test('workers that are let in so use memories that they have not met, make some, and are reaped in all of them', async () => {
    const done = new Semaphore(0)
    const apart = new SharedMemory({ size: '2MiB' })
    const lock = new Mutex({ memory: apart })
    const board = apart.alloc(4096)
    const crew = await Actor.crew(2)
    const [maker, other] = crew
    maker.begin(
      ({ Mutex, Region, Semaphore, SharedMemory }, handles) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200) // main sleeps
        const made = new SharedMemory({ size: '2MiB' })
        const message = JSON.stringify([new Mutex({ memory: made }), made.alloc(8)])
        Mutex.from(handles.lock).lock()
        const { bytes } = Region.from(handles.board)
        new TextEncoder().encodeInto(message, bytes.subarray(4))
        Atomics.store(new Int32Array(bytes.buffer, bytes.byteOffset, 1), 0, message.length)
        const [madeLock] = JSON.parse(message) as [Mutex]
        Mutex.from(madeLock).lock()
        Semaphore.from(handles.done).release()
        process.exit()
      },
      { done, lock, board },
    )
    other.begin(
      ({ Mutex, Region, Semaphore }, handles) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
        const { bytes } = Region.from(handles.board)
        const length = new Int32Array(bytes.buffer, bytes.byteOffset, 1)
        while (Atomics.load(length, 0) === 0);
        const message = JSON.parse(new TextDecoder().decode(bytes.slice(4, 4 + length[0]))) as [Mutex, Region]
        const [madeLock, region] = [Mutex.from(message[0]), Region.from(message[1])]
        if (Mutex.from(handles.lock).lock({ timeoutMs: 5000 }).ownerDied) region.as(Int32Array)[0] = 7
        if (madeLock.lock({ timeoutMs: 5000 }).ownerDied) region.as(Int32Array)[1] = 8
        Semaphore.from(handles.done).release()
      },
      { done, lock, board },
    )

    for (let i = 0; i < 2; i++) done.acquire({ timeoutMs: 8000 })

    const length = board.as(Int32Array)[0]
    const [, there] = JSON.parse(new TextDecoder().decode(board.bytes.slice(4, 4 + length))) as [
      Mutex,
      Region,
    ]
    expect([...Region.from(there).as(Int32Array)]).toEqual([7, 8])
    await Promise.all(crew.map((actor) => actor.end()))
    expect(lock.lock({ timeoutMs: 5000 }).ownerDied).toBe(true)
    apart.destroy()
  })

  test('once the event loop of both has turned, such a worker speaks by its port', async () => {
    const done = new Semaphore(0)
    const late = await Actor.start()
    const wasThrough = late.run(({ Semaphore }, handle) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      const isThrough = () => {
        const ours = Object.getOwnPropertySymbols(process).find((each) =>
          each.description?.startsWith('pageframe:'),
        )
        return (Reflect.get(process, ours ?? '') as { isLinkThrough: boolean }).isLinkThrough
      }
      Semaphore.from(handle).release()
      const atOnce = isThrough()
      return new Promise<boolean[]>((resolve) => {
        setTimeout(() => { resolve([atOnce, isThrough()]) }, 300) // prettier-ignore
      })
    }, done)

    done.acquire({ timeoutMs: 8000 })

    expect(await wasThrough).toEqual([false, true])
    const region = new SharedMemory({ size: '2MiB' }).alloc(4)
    await late.run(({ Region }, handle) => (Region.from(handle).bytes[0] = 1), region)
    expect(region.bytes[0]).toBe(1)
  })

  test('it says once on stderr, after a second, which lock and who holds it', async () => {
    const ended = await script(async ({ Mutex, startActor }) => {
      const lock = Mutex.open('report')
      const actor = await startActor()
      await actor.run(({ Mutex }) => {
        Mutex.open('report').lock()
        setTimeout(() => { Mutex.open('report').unlock() }, 3200) // prettier-ignore
      })
      lock.lock({ timeoutMs: 10_000 })
      lock.unlock()
      await actor.end()
    }, [])

    const lines = ended.stderr.split('\n').filter((line) => line.includes('blocked'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(/^pageframe: the main thread is blocked: Mutex 'report' is held by thread \d+$/)
  })
})

test('while the main thread is blocked elsewhere, attaching gives EAGAIN and says why', async () => {
  const ended = await script(async ({ Mutex, startActor }) => {
    const actor = await startActor()
    const outcome = actor.run(({ Mutex }) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      try {
        Mutex.open('jobs')
        return 'attached'
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        // At once again: it gets nothing before main goes on, and what it gets it keeps.
        const lock = Mutex.open('again')
        lock.lock()
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300)
        return [code, message, (lock.owner ?? -1) > 0]
      }
    })
    await new Promise((resolve) => setTimeout(resolve, 50))
    for (const end = Date.now() + 6500; Date.now() < end;);
    const first = await outcome
    const second = await actor.run(({ Mutex }) => {
      Mutex.open('jobs').lock()
      return 'attached'
    })
    await actor.end()
    return [first, second, Mutex.open('jobs').lock({ timeoutMs: 3000 }).ownerDied]
  }, [])

  expect(ended.result).toEqual([
    [
      'EAGAIN',
      "EAGAIN: memory 'default': the main thread did not let this thread in within 5 s; it is blocked outside pageframe's " +
        'waits. Let its event loop run, or block in a wait of pageframe',
      true,
    ],
    'attached',
    true,
  ])
})

test('what a worker says past its port is undone if the supervisor has heard of its death before', async () => {
  const { cpu, map, id } = attachmentById(SharedMemory.default.memory)
  const actor = await Actor.start()
  await actor.run(({ Mutex }) => new Mutex().at)
  await reaped(actor)
  const tid = claimSlot(cpu, map.slotsAt, actor.threadId, sharedNow())
  const message = { pageframe: 'attach', memory: id, tid }

  const channel = new BroadcastChannel(`pageframe supervisor ${threadMemories.supervisorId}`)
  channel.postMessage({ pageframe: 'aside', from: actor.threadId, message })
  channel.close()

  await eventually(() => slotsOf(actor.threadId) === 0, 'the claim to lapse')
  expect(isInState(cpu, map.slotsAt, tid, FREE)).toBe(true)
})

test('a claim that has lapsed is lost, whatever goes on meanwhile: EAGAIN, and its slot is left to the next', async () => {
  const { cpu, map } = attachmentById(SharedMemory.default.memory)
  const actor = await Actor.start()
  const outcome = actor.run(({ Mutex }) => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    try {
      return Mutex.open('lapsed').name
    } catch (error) {
      return (error as { code: string }).code
    }
  })
  await pause(50)
  const block = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  block(800)

  // Slots are given out from the front: the only one that can be had so late is that of the actor's claim.
  const stateAt = (index: number) => stateOf(cpu.load(map.slotsAt + index * ThreadSlot.sizeof))
  const claimed = Array.from({ length: SLOT_COUNT }, (_, index) => index).filter(
    (index) => stateAt(index) === CLAIMED,
  )
  const next = claimSlot(cpu, map.slotsAt, 12_345, sharedNow() + 11_000)
  for (let i = 0; i < 6; i++) {
    cpu.add(Superblock.signsOfMain, 1)
    block(1000)
  }

  expect(claimed).toEqual([slotIndexOf(next)])
  expect(await outcome).toBe('EAGAIN')
  expect(moveState(cpu, map.slotsAt, next, CLAIMED, FREE)).toBe(true)
})

test('a main thread that starts worker after worker is not blocked: who waits to be let in waits on', async () => {
  const ended = await script(async ({ startActor }) => {
    const actor = await startActor()
    const outcome = actor.run(({ Mutex }) => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
      return Mutex.open('jobs').name
    })
    const { Worker } = process.getBuiltinModule('node:worker_threads')
    // Longer than a claimer's patience, but never that long without another worker.
    for (let i = 0; i < 3; i++) {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2200)
      new Worker('', { eval: true })
    }
    const name = await outcome
    await actor.end()
    return name
  }, [])

  expect(ended.result ?? ended.stdout).toBe('jobs')
})
