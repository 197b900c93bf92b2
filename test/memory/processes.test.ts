/** What needs a process of its own: how it ends, what it warns of, how much memory it takes. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { pause, runFile, script } from '../support.ts'

const MiB = 1024 * 1024

test('importing pageframe keeps no process alive, and neither does having used it', async () => {
  const [imported, used, withWorker] = await Promise.all([
    script(() => undefined, []),
    script(({ Mutex, SharedMemory }) => {
      Mutex.open('x').lock()
      SharedMemory.default.alloc('1MiB')
    }, []),
    script(async ({ Mutex, startActor }) => {
      const actor = await startActor()
      await actor.run(({ Mutex }) => void Mutex.open('x').lock())
      await actor.end()
      return Mutex.open('x').lock({ timeoutMs: 5000 }).ownerDied
    }, []),
  ])

  for (const ended of [imported, used, withWorker]) expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(withWorker.result).toBe(true)
})

test('a worker that has done its work and listens to nothing ends, and so does the process', async () => {
  const ended = await script(async ({ startActor }) => {
    const actor = await startActor()
    await actor.run(async ({ Mutex, Semaphore }) => {
      await Mutex.open('x').runAsync(() => undefined)
      Semaphore.open('y', 1).acquire()
      setTimeout(() => process.getBuiltinModule('node:worker_threads').parentPort?.close(), 10)
    })
    return new Promise((resolve) => actor.worker.once('exit', resolve))
  }, [])

  expect(ended).toMatchObject({ code: 0, result: 0, stderr: '' })
})

test('a wait with ref: false lets the process end; one with ref: true keeps it', async () => {
  const [unref, ref, refTimeout, unrefTimeout] = await Promise.all([
    script(async ({ Semaphore }) => {
      void new Semaphore(0).acquireAsync({ ref: false }).then(() => {
        console.log('got it')
      })
      await Promise.resolve()
    }, []),
    script(async ({ Mutex, startActor }) => {
      const lock = Mutex.open('held')
      const actor = await startActor()
      await actor.run(({ Mutex }) => {
        Mutex.open('held').lock()
        setTimeout(() => { Mutex.open('held').unlock() }, 300) // prettier-ignore
      })
      actor.worker.unref()
      void lock.lockAsync({ ref: true }).then(() => { console.log('got it') }) // prettier-ignore
    }, []),
    script(({ Semaphore }) => {
      void new Semaphore(0).acquireAsync({ timeoutMs: 200 }).catch((error: unknown) => {
        console.log((error as { code: string }).code)
      })
    }, []),
    script(({ Semaphore }) => {
      const late = () => { console.log('late') } // prettier-ignore
      void new Semaphore(0).acquireAsync({ timeoutMs: 5000, ref: false }).then(late, late)
    }, []),
  ])

  expect(unref).toMatchObject({ code: 0, stdout: '' })
  expect(ref).toMatchObject({ code: 0, stdout: 'got it\n' })
  expect(refTimeout).toMatchObject({ code: 0, stdout: 'ETIMEDOUT\n' })
  expect(unrefTimeout).toMatchObject({ code: 0, stdout: '' })
})

test('an uncaught exception ends the process with its own code, workers and all', async () => {
  const ended = await script(async ({ Mutex, startActor }) => {
    const actor = await startActor()
    await actor.run(({ Mutex }) => void Mutex.open('x').lock())
    setImmediate(() => { throw new Error('on purpose') }) // prettier-ignore
    await Mutex.open('x').lockAsync({ timeoutMs: 20_000 })
  }, [])

  expect(ended.code).toBe(1)
  expect(ended.stderr).toContain('on purpose')
})

// V8 without room for the guard regions of a wasm memory refuses it (Node 20 and 22) or makes one without (Node 24 and 26).
// So the first of these tells V8 to refuse all, and the second takes what it gets.

test('where no wasm memory can be had it warns once and works with Atomics, in workers too', async () => {
  const { isPlain, byteLength, stderr, ...rest } = await countIn(
    'ulimit -v 10000000',
    '--wasm-max-mem-pages=1',
  )

  expect(rest).toEqual({ code: 0, total: 4000, ownerDied: true, problems: [] })
  expect(isPlain).toBe(true)
  expect(byteLength).toBe(1024 * MiB)
  expect(stderr.match(/PageframeWarning/g)).toHaveLength(1)
  expect(stderr).toMatch(/no WebAssembly memory could be reserved .*ulimit -v.* instead of 4 GiB/)
}, 40_000)

test('where 4 GiB of address space cannot be had it warns once and works with less, in workers too', async () => {
  const { isPlain, byteLength, stderr, ...rest } = await countIn('ulimit -v 5500000')

  expect(rest).toEqual({ code: 0, total: 4000, ownerDied: true, problems: [] })
  expect(byteLength).toBe(isPlain ? 1024 * MiB : 2048 * MiB)
  expect(stderr.match(/PageframeWarning/g)).toHaveLength(1)
  expect(stderr).toMatch(isPlain ? /instead of 4 GiB/ : /the host refuses 4 GiB: .* has 2 GiB/)
}, 40_000)

test('where there is no WebAssembly at all it works with Atomics, in workers too', async () => {
  const result = await countIn(':', '--jitless')

  expect(result).toMatchObject({ code: 0, isPlain: true, total: 4000, ownerDied: true, problems: [] })
}, 40_000)

/** A process under a limit, where two threads count under a lock and one of them dies with it. */
async function countIn(before: string, ...flags: string[]) {
  const ended = await script(
    async ({ Mutex, SharedMemory, internals, startActor }) => {
      const actor = await startActor({ resourceLimits: { maxOldGenerationSizeMb: 64 } })
      const lock = new Mutex()
      const region = SharedMemory.default.alloc('1MiB')
      const rounds = 2000
      const there = actor.run(
        ({ Mutex, Region }, lockHandle, regionHandle, times) => {
          const [mutex, words] = [Mutex.from(lockHandle), Region.from(regionHandle).as(Int32Array)]
          for (let i = 0; i < times; i++) mutex.run(() => words[0]++)
          mutex.lock()
        },
        lock,
        region,
        rounds,
      )
      for (let i = 0; i < rounds; i++) await lock.runAsync(() => region.as(Int32Array)[0]++)
      await there
      await actor.end()
      const token = lock.lock({ timeoutMs: 5000 })
      const isPlain = internals.defaultAttachment().backing instanceof SharedArrayBuffer
      const total = region.as(Int32Array)[0]
      const { byteLength } = SharedMemory.default
      const { problems } = SharedMemory.default.check()
      return { isPlain, byteLength, total, ownerDied: token.ownerDied, problems }
    },
    [],
    { before, flags, limitMs: 30_000 },
  )
  const { code, stderr, result } = ended
  return { code, stderr, ...(result as { isPlain: boolean; byteLength: number; [key: string]: unknown }) }
}

test('destroying a memory gives its bytes back to the host: 200 of 64 MiB in a row stay under 1 GiB', async () => {
  const ended = await script(
    ({ SharedMemory }) => {
      for (let i = 0; i < 200; i++) {
        const memory = new SharedMemory({ size: '64MiB' })
        const { bytes } = memory.alloc('60MiB')
        for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 1
        memory.destroy()
      }
      return process.resourceUsage().maxRSS
    },
    [],
    { limitMs: 60_000 },
  )

  expect(ended.code).toBe(0)
  expect(ended.result as number).toBeLessThan(1024 * 1024) // KiB
}, 70_000)

test('a worker whose main thread never imported pageframe makes a memory of its own, and says so once', async () => {
  const ended = await runFile('no-inheritance.mjs', [])

  expect(ended.code).toBe(0)
  expect(ended.result).toEqual({ counted: 2000, ownerDied: true, problems: [] })
  expect(ended.stderr.match(/PageframeWarning/g)).toHaveLength(1)
  expect(ended.stderr).toContain('this worker inherited no shared memory')
})

test('a worker that shares nothing, since main had not imported pageframe, is told why a handle means nothing to it', async () => {
  const ended = await runFile('too-early.mjs', [])

  expect(ended.result).toEqual([
    'ERR_PAGEFRAME_NO_MEMORY',
    expect.stringContaining('its main thread had not imported pageframe when it was started'),
  ])
})

test('debug mode: destroy() that finds a write past the end says so, and the thing is destroyed', async () => {
  const ended = await script(
    ({ SharedMemory }) => {
      const memory = new SharedMemory({ size: '2MiB' })
      const region = memory.alloc(100)
      const { buffer, byteOffset } = region.bytes
      new Uint8Array(buffer, byteOffset, 108)[100] = 7
      const codeOf = (act: () => unknown) => {
        try {
          return act()
        } catch (error) {
          return (error as { code: string }).code
        }
      }
      const codes = [
        codeOf(() => { region.destroy() }),
        codeOf(() => region.bytes.length),
        codeOf(() => { region.destroy() }),
      ] // prettier-ignore
      return [...codes, memory.check().problems]
    },
    [],
    { env: { PAGEFRAME_DEBUG: '1' } },
  )

  expect(ended.result).toEqual(['ERR_PAGEFRAME_DAMAGED', 'ESTALE', 'ESTALE', []])
})

test('a second pageframe of another layout is refused with EPROTO, which says what to do', async () => {
  const ended = await script(async ({ SharedMemory, internals, startActor }) => {
    const memory = new SharedMemory({ size: '2MiB' })
    const region = memory.alloc(10)
    const { words } = internals.attachmentById(memory.memory)
    const layout = words[1]
    const actor = await startActor()
    await new Promise((resolve) => setTimeout(resolve, 1000)) // the supervisor has looked at it by then
    words[1] ^= 0x1234 // what another version would have written into the superblock
    const failure = await actor.run(({ Region }, handle) => {
      try {
        return Region.from(handle).byteLength
      } catch (error) {
        const { code, message } = error as { code: string; message: string }
        return { code, message }
      }
    }, region)
    words[1] = layout
    await actor.end()
    return [failure, layout.toString(16), (layout ^ 0x1234).toString(16)]
  }, [])

  const [failure, mine, theirs] = ended.result as [{ code: string; message: string }, string, string]
  expect(failure.code).toBe('EPROTO')
  expect(failure.message).toMatch(
    new RegExp(`^EPROTO: memory '.*' was made by pageframe \\S+ \\(layout ${theirs}\\), this thread loaded \\S+ \\(layout ${mine}\\) from .+\\. All threads need one copy: npm ls pageframe$`),
  ) // prettier-ignore
})

test('a process that is stopped for longer than a thread waits to be let in goes on where it was', async () => {
  const program = fileURLToPath(new URL('../fixtures/stopped-process.mjs', import.meta.url))
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 60_000 })
  const said = text(child.stderr)
  await once(child.stdout, 'data')
  child.stdout.resume()

  await pause(300) // some worker waits to be let in just now
  child.kill('SIGSTOP')
  await pause(5500)
  child.kill('SIGCONT')
  const [code] = (await once(child, 'exit')) as [number | null]

  expect({ code, stderr: await said }).toEqual({ code: 0, stderr: '' })
})
