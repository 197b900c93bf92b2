/**
 * What becomes of a memory that was destroyed, in the threads that know it. Bytes are measured in processes of their own,
 * with 8 memories of 32 MiB that are written from end to end: if one of the threads keeps them, 256 MiB stay.
 */

import { Mutex, SharedMemory } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { Actor, pause, script, thrownBy, type ScriptTools } from '../support.ts'

describe('the host gets the bytes back', () => {
  test('though a thread lives that has used them, and is idle', async () => {
    const { result } = await script(async ({ SharedMemory, startActor }) => {
      const rss = () => Math.round(process.memoryUsage.rss() / 2 ** 20)
      const worker = await startActor()
      await worker.run(({ SharedMemory }) => SharedMemory.default.byteLength)
      const before = rss()
      const once = async () => {
        const memory = new SharedMemory({ size: '32MiB' })
        const region = memory.alloc('30MiB')
        region.bytes.fill(1)
        await worker.run(({ Region }, handle) => Region.from(handle).bytes[5], structuredClone(region))
        memory.destroy()
      }
      for (let i = 0; i < 8; i++) await once()
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const kept = rss() - before
      await worker.end()
      return kept
    }, [])

    expect(result).toBeLessThan(128)
  })

  test('though a thread lives that has used them, and is blocked in a wait', async () => {
    const { result } = await script(async ({ Semaphore, SharedMemory, startActor }) => {
      const rss = () => Math.round(process.memoryUsage.rss() / 2 ** 20)
      const worker = await startActor()
      const [go, begun] = [new Semaphore(0), new Semaphore(0)]
      const before = rss()
      const memories = Array.from({ length: 8 }, () => new SharedMemory({ size: '32MiB' }))
      const regions = memories.map((memory) => memory.alloc('30MiB'))
      for (const region of regions) region.bytes.fill(1)
      const ended = worker.run(({ Region, Semaphore }, those) => {
        those.regions.forEach((handle) => Region.from(handle).bytes[5])
        Semaphore.from(those.begun).release()
        Semaphore.from(those.go).acquire()
      }, structuredClone({ go, begun, regions }))
      await begun.acquireAsync()
      regions.length = 0
      for (const memory of memories.splice(0)) memory.destroy()
      await new Promise((resolve) => setTimeout(resolve, 2500))
      const kept = rss() - before
      go.release()
      await ended
      await worker.end()
      return kept
    }, [])

    expect(result).toBeLessThan(128)
  })

  test('though a thread never rests: it lets go of them when it comes to the next memory', async () => {
    const { result } = await script(async ({ SharedMemory, startActor }) => {
      const { MessageChannel } = process.getBuiltinModule('node:worker_threads')
      const rss = () => Math.round(process.memoryUsage.rss() / 2 ** 20)
      const { port1, port2 } = new MessageChannel()
      const worker = await startActor({ workerData: port2, transferList: [port2] })
      const before = rss()
      const ended = worker.run(({ Region, workerData }) => {
        const { receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads')
        for (let left = 9; left > 0;) {
          const next = receiveMessageOnPort(workerData as typeof port1) as { message: unknown } | undefined
          if (next === undefined) continue
          Region.from(next.message).bytes[5]++
          ;(workerData as typeof port1).postMessage('seen')
          left--
        }
        for (;;) if (receiveMessageOnPort(workerData as typeof port1) !== undefined) return
      })
      const hand = async (size: '4MiB' | '32MiB') => {
        const memory = new SharedMemory({ size })
        const region = memory.alloc(memory.byteLength - 2 ** 21)
        region.bytes.fill(1)
        const seen = new Promise((resolve) => port1.once('message', resolve))
        port1.postMessage(structuredClone(region))
        await seen
        memory.destroy()
      }
      for (let i = 0; i < 8; i++) await hand('32MiB')
      await hand('4MiB')
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const kept = rss() - before
      port1.postMessage('end')
      await ended
      await worker.end()
      port1.close()
      return kept
    }, [])

    expect(result).toBeLessThan(128)
  })

  test('also of memories that were made before the first worker was started', async () => {
    const { result } = await script(async ({ SharedMemory, startActor }) => {
      const rss = () => Math.round(process.memoryUsage.rss() / 2 ** 20)
      const before = rss()
      const memories = Array.from({ length: 8 }, () => new SharedMemory({ size: '32MiB' }))
      for (const memory of memories) memory.alloc('30MiB').bytes.fill(1)
      const worker = await startActor()
      for (const memory of memories.splice(0)) memory.destroy()
      await new Promise((resolve) => setTimeout(resolve, 1000))
      const kept = rss() - before
      await worker.end()
      return kept
    }, [])

    expect(result).toBeLessThan(128)
  })
})

test('what a thread holds of a memory that another one destroyed is ESTALE, before and after it has heard of it', async () => {
  const memory = new SharedMemory({ size: '2MiB' })
  const those = structuredClone({ memory, lock: new Mutex({ memory }), region: memory.alloc(10) })
  const worker = await Actor.start()
  await worker.run(({ Mutex, Region, SharedMemory }, { memory, lock, region }) => {
    const held = [SharedMemory.from(memory), Mutex.from(lock), Region.from(region)] as const
    Object.assign(globalThis, { held })
    held[2].bytes[0]++
  }, those)
  const codes = () =>
    worker.run(({ Mutex, Region, SharedMemory }, { memory, lock, region }) => {
      type Held = [InstanceType<typeof SharedMemory>, InstanceType<typeof Mutex>, InstanceType<typeof Region>]
      const { held } = globalThis as unknown as { held: Held }
      const uses = [
        () => held[0].byteLength,
        () => held[0].alloc(1),
        () => {
          held[0].destroy()
        },
        () => held[1].lock(),
        () => held[1].tryLock(),
        () => held[2].bytes,
        () => SharedMemory.from(memory),
        () => Mutex.from(lock),
        () => Region.from(region),
        () => new Mutex({ memory }),
        () => new Mutex({ memory: held[0] }),
      ]
      return uses.map((use: () => unknown) => {
        try {
          return String(use())
        } catch (error) {
          return (error as { code: string }).code
        }
      })
    }, those)
  const blocked = worker.run(({ tell }) => {
    tell('blocked')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  })
  await worker.told('blocked')

  memory.destroy()

  const early = codes()
  await blocked
  expect(new Set(await early)).toEqual(new Set(['ESTALE']))
  await pause(50)
  expect(new Set(await codes())).toEqual(new Set(['ESTALE']))
})

test('a thread that listens for what was destroyed ends all the same when it has nothing more to do', async () => {
  const memory = new SharedMemory({ size: '2MiB' })
  const worker = await Actor.start()
  await worker.run(({ Mutex }, lock) => Mutex.from(lock).at, new Mutex({ memory }))
  memory.destroy()

  worker.begin(() => process.getBuiltinModule('node:worker_threads').parentPort?.close())

  await worker.ended()
  expect(worker.exitCode).toBe(0)
})

describe('a handle', () => {
  test('of a destroyed memory is ESTALE also where no worker was ever started, and in the first one', async () => {
    const { result } = await script(async ({ Mutex, SharedMemory, startActor }: ScriptTools) => {
      const memory = new SharedMemory({ size: '2MiB' })
      const handle = structuredClone(new Mutex({ memory }))
      memory.destroy()
      const codeOf = (use: () => unknown) => {
        try {
          return use()
        } catch (error) {
          return (error as { code: string }).code
        }
      }
      const here = [
        codeOf(() => Mutex.from(handle)),
        codeOf(() => SharedMemory.from(memory)),
        codeOf(() => new Mutex({ memory })),
        codeOf(() => Mutex.from(Object.assign(structuredClone(handle), { memory: 'm0.77' }))),
      ]
      const worker = await startActor()
      const there = await worker
        .run(({ Mutex }, handle) => Mutex.from(handle).at, handle)
        .catch((error: unknown) => (error as { code: string }).code)
      await worker.end()
      return [...here, there]
    }, [])

    expect(result).toEqual(['ESTALE', 'ESTALE', 'ESTALE', 'ERR_PAGEFRAME_NO_MEMORY', 'ESTALE'])
  })

  test('of a memory that nobody ever made is ERR_PAGEFRAME_NO_MEMORY, which says so', () => {
    const handle = { $pageframe: 'Mutex', memory: 'm-1.0', at: 0, generation: 0 }

    const error = thrownBy(() => Mutex.from(handle))

    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_NO_MEMORY' })
    expect(error.message).toBe(
      `this handle belongs to memory 'm-1.0', which nobody in this process can supply any more`,
    )
  })
})
