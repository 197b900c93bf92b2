/** Names while their object is being made: with no lock held, by one thread, whatever becomes of it. */

import { Mutex, Region, SharedMemory, type Handle } from 'pageframe'
import { attachmentById } from 'pageframe/internals'
import { describe, expect, test } from 'vitest'
import { Actor, eventually, freshName, pause, thrownBy, type RemoteError } from '../support.ts'

describe('a thing that is being made', () => {
  /** In an actor: what a floor would do that frees memory when it is out. Called once, from within an allocation. */
  const pressed = (handle: Handle, tell: (what: string) => void, work: () => void): void => {
    const ours = Object.getOwnPropertySymbols(process).find((each) =>
      each.description?.startsWith('pageframe:'),
    )
    interface Known { attachment: { frames: { onPressure: (ask: () => boolean) => void } } } // prettier-ignore
    const { known } = Reflect.get(process, ours ?? '') as { known: Map<string, Known> }
    let asked = false
    known.get(handle.memory)?.attachment.frames.onPressure(() => {
      if (asked) return false
      asked = true
      tell('asked')
      work()
      return true
    })
  }

  test('may be made by those who open names themselves, when they are asked to free memory', () => {
    const memory = new SharedMemory({ size: '4MiB' })
    const cache = Region.open('cache', '2MiB', { memory })
    const { frames } = attachmentById(memory.memory)
    const opened: unknown[] = []
    frames.onPressure(() => {
      if (opened.length > 0) return false
      const own = thrownBy(() => Region.open('big', '2MiB', { memory }))
      opened.push(Region.open('cache', undefined, { memory }), Mutex.open('new', { memory }), own)
      cache.destroy()
      return true
    })

    const big = Region.open('big', '2MiB', { memory })

    expect(opened.slice(0, 2)).toEqual([cache, Mutex.open('new', { memory })])
    expect(opened[2]).toMatchObject({ code: 'EDEADLK' })
    expect((opened[2] as Error).message).toBe(
      "EDEADLK: Region.open() 'big': this thread is making it; to wait here would never end",
    )
    expect(big.byteLength).toBe(2 * 1024 * 1024)
    expect(memory.check().problems).toEqual([])
    memory.destroy()
  })

  test('is waited for, and made by who waited if it cannot be made', async () => {
    const memory = new SharedMemory({ size: '4MiB' })
    const gate = memory.alloc(4)
    const [first, second, third] = await Actor.crew(3)
    await first.run(
      ({ Region, tell }, { pressed, gate }) => {
        const words = Region.from(gate).as(Int32Array)
        const onPressure = (0, eval)(`(${pressed})`) as (h: object, t: unknown, w: () => void) => void
        onPressure(gate, tell, () => void Atomics.wait(words, 0, 0))
      },
      { pressed: String(pressed), gate },
    )
    const failed = first.run(({ Region, SharedMemory }, memory) => {
      return Region.open('x', '64MiB', { memory: SharedMemory.from(memory) }).byteLength
    }, memory)
    const failure = failed.then(() => 'made', (error: unknown) => (error as RemoteError).code) // prettier-ignore
    await first.told('asked')
    const made = second.run(({ Region, SharedMemory }, memory) => {
      return Region.open('x', '64KiB', { memory: SharedMemory.from(memory) }).byteLength
    }, memory)
    // Other names are not waited for meanwhile.
    expect(await third.run(({ Region, SharedMemory }, memory) => {
      return Region.open('y', '4KiB', { memory: SharedMemory.from(memory) }).byteLength
    }, memory as object)).toBe(4096) // prettier-ignore
    await pause(50)

    const words = gate.as(Int32Array)
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)

    expect(await failure).toBe('ENOMEM')
    expect(await made).toBe(65_536)
    expect(Region.open('x', undefined, { memory }).byteLength).toBe(65_536)
    expect(memory.check().problems).toEqual([])
    memory.destroy()
  })

  test('leaves its name free and leaks nothing when its maker dies, and who waited makes it', async () => {
    const memory = new SharedMemory({ size: '4MiB' })
    const gate = memory.alloc(4)
    const [first, second] = await Actor.crew(2)
    await second.run(({ Region, Mutex, SharedMemory }, memory) => {
      const there = SharedMemory.from(memory)
      Region.open('warm', '1MiB', { memory: there }).destroy()
      new Mutex({ memory: there }).destroy()
    }, memory)
    await first.run(
      ({ Mutex, Region, SharedMemory, tell }, { pressed, gate }) => {
        const words = Region.from(gate).as(Int32Array)
        const memory = SharedMemory.from({
          $pageframe: 'SharedMemory',
          memory: gate.memory,
          at: 0,
          generation: 0,
        })
        const onPressure = (0, eval)(`(${pressed})`) as (h: object, t: unknown, w: () => void) => void
        onPressure(gate, tell, () => {
          Mutex.open('within', { memory })
          Atomics.wait(words, 0, 0)
        })
      },
      { pressed: String(pressed), gate: structuredClone(gate) },
    )
    const { usedBytes } = memory
    first.begin(({ Region, SharedMemory }, memory) => {
      Region.open('x', '64MiB', { memory: SharedMemory.from(memory) })
    }, memory)
    await first.told('asked')
    const made = second.run(({ Region, SharedMemory }, memory) => {
      return Region.open('x', '1MiB', { memory: SharedMemory.from(memory) }).byteLength
    }, memory)
    await pause(50)

    await first.end()

    expect(await made).toBe(1024 * 1024)
    await eventually(() => memory.check().ok, 'the memory to be whole')
    Region.open('x', undefined, { memory }).destroy()
    Mutex.open('within', { memory }).destroy()
    expect(memory.usedBytes).toBeLessThanOrEqual(usedBytes + 2 * 4096)
    memory.destroy()
  })

  test('threads that open, while they make, what the other makes: one is refused, and nobody waits for ever', async () => {
    const memory = new SharedMemory({ size: '4MiB' })
    const gate = memory.alloc(4)
    const crew = await Actor.crew(2)
    const outcomes = await Promise.all(
      crew.map((actor, i) =>
        actor.run(
          ({ Region, SharedMemory, tell }, { pressed, gate, mine, other }) => {
            const words = Region.from(gate).as(Int32Array)
            const memory = SharedMemory.from({
              $pageframe: 'SharedMemory',
              memory: gate.memory,
              at: 0,
              generation: 0,
            })
            const onPressure = (0, eval)(`(${pressed})`) as (h: object, t: unknown, w: () => void) => void
            let outcome = 'nothing'
            onPressure(gate, tell, () => {
              Atomics.add(words, 0, 1)
              while (Atomics.load(words, 0) < 2);
              try {
                Region.open(other, 4096, { memory })
                outcome = 'opened'
              } catch (error) {
                outcome = (error as { code: string }).code
              }
            })
            try {
              Region.open(mine, '64MiB', { memory })
            } catch {
              // There is no room for it.
            }
            return outcome
          },
          {
            pressed: String(pressed),
            gate: structuredClone(gate),
            mine: ['a', 'b'][i],
            other: ['b', 'a'][i],
          },
        ),
      ),
    )

    expect(outcomes.sort()).toEqual(['EDEADLK', 'opened'])
    expect(memory.check().problems).toEqual([])
    memory.destroy()
  })

  test('a named memory whose maker dies is ended, its name is free, and nothing of it stays', async () => {
    const name = freshName()
    const dying = await Actor.start()
    dying.begin(({ SharedMemory, tell }, wanted) => {
      // It dies when it is about to tell the supervisor of its new memory.
      const ours = Object.getOwnPropertySymbols(process).find((each) =>
        each.description?.startsWith('pageframe:'),
      )
      Reflect.get(SharedMemory, 'default') // it is let run
      const state = Reflect.get(process, ours ?? '') as { link: { postMessage: (it: unknown) => void } }
      const post = state.link.postMessage.bind(state.link)
      state.link.postMessage = (message) => {
        post(message)
        if ((message as { pageframe: string }).pageframe !== 'register') return
        tell('registered')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      }
      SharedMemory.open(wanted, { size: '2MiB' })
    }, name)
    await dying.told('registered')

    await dying.end()

    const memory = SharedMemory.open(name, { size: '3MiB' })
    expect(memory.byteLength).toBe(3 * 1024 * 1024)
    const lost = `m${dying.threadId}.0`
    const handle = { $pageframe: 'SharedMemory', memory: lost, at: 0, generation: 0 }
    expect(thrownBy(() => SharedMemory.from(handle))).toMatchObject({ code: 'ESTALE' })
    expect(SharedMemory.default.check().problems).toEqual([])
    memory.destroy()
  })
})
