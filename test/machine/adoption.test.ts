/** Adoption that fails, or that the machine's end or a signal meets half-way: nothing is left, and nobody waits. */

import { Worker } from 'node:worker_threads'
import { attachmentById } from 'pageframe/internals'
import { afterEach, describe, expect, test } from 'vitest'
import { eventually, rejectionOf } from '../support.ts'
import { boot, PROGRAM } from './machines.ts'

const ADOPTED = new URL('../fixtures/adopted.mjs', import.meta.url)

const workers: Worker[] = []

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()))
})

function started(worker: Worker): Worker {
  workers.push(worker)
  return worker
}

/** A worker whose event loop stands still until words[0] is 1; it says so in words[1], and in words[2] that it went on. */
async function busyWorker(words: Int32Array): Promise<Worker> {
  const source = `
    import(process.getBuiltinModule('worker_threads').workerData.machine).then(() => {
      const { words } = process.getBuiltinModule('worker_threads').workerData
      setTimeout(() => {
        Atomics.store(words, 1, 1)
        Atomics.wait(words, 0, 0, 10_000)
        setTimeout(() => Atomics.store(words, 2, 1), 100)
        setInterval(() => 0, 1000)
      }, 1)
    })`
  const machine = import.meta.resolve('pageframe/machine')
  const worker = started(new Worker(source, { eval: true, workerData: { words, machine } }))
  await eventually(() => Atomics.load(words, 1) === 1, 'the worker to be busy')
  return worker
}

function sharedWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(16))
}

describe('what cannot be adopted', () => {
  test.each([
    ['worker', null, {}],
    ['worker', { threadId: 1 }, {}],
    ['name', undefined, { name: Symbol('x') }],
    ['options', undefined, null],
  ])('a wrong %s', async (argument, worker, options) => {
    const machine = await boot()
    const real = started(new Worker(ADOPTED))

    const error = await rejectionOf(
      machine.adopt((worker === undefined ? real : worker) as Worker, options as object),
    )

    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch(new RegExp(`^adopt\\(\\): ${argument} must be`))
    expect(machine.processes()).toHaveLength(1)
  })

  test('arguments that cannot be cloned: a DataCloneError, and nothing is left', async () => {
    const machine = await boot()
    const worker = started(new Worker(ADOPTED))

    expect(await rejectionOf(machine.adopt(worker, { args: () => 1 }))).toMatchObject({
      name: 'DataCloneError',
    })

    expect(machine.processes()).toHaveLength(1)
    const child = await machine.adopt(worker, { args: { add: 2 } })
    expect(await child.waitAsync()).toEqual({ code: 12, signal: null })
  })

  test('what boot({ worker }) makes must be a Worker; one whose adoption fails is ended', async () => {
    const none = await boot({ worker: () => undefined as unknown as Worker })
    const ends = await boot({ worker: () => started(new Worker('setTimeout(() => 0, 30)', { eval: true })) })
    const reason = new Error('enough')

    const wrong = await rejectionOf(none.spawn(PROGRAM))
    const args = await rejectionOf(ends.spawn(PROGRAM, { args: () => 1 }))
    const name = await rejectionOf(ends.spawn(PROGRAM, { name: 5 as unknown as string }))
    const aborted = await rejectionOf(ends.spawn(PROGRAM, { signal: AbortSignal.abort(reason) }))
    const limits = await rejectionOf(ends.spawn(PROGRAM, { resourceLimits: { stackSizeMb: 2 } }))

    expect(wrong).toMatchObject({ code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    expect(args).toMatchObject({ name: 'DataCloneError' })
    expect(name).toMatchObject({ code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    expect(aborted).toBe(reason)
    expect(limits).toMatchObject({ code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    expect(limits.message).toMatch(/^spawn\(\): resourceLimits are fixed/)
    expect(workers).toHaveLength(0) // nothing was started for what is wrong
    expect(await rejectionOf(ends.spawn(PROGRAM))).toMatchObject({ code: 'ECANCELED' })
    expect([none, ends].map((machine) => machine.processes().length)).toEqual([1, 1])
  })
})

test('a worker that is a process already: EBUSY', async () => {
  const machine = await boot()
  const worker = started(new Worker(ADOPTED))
  const child = await machine.adopt(worker, { args: { endless: true } })

  const error = await rejectionOf(machine.adopt(worker))

  expect(error).toMatchObject({
    code: 'EBUSY',
    message: `EBUSY: adopt(): this worker is process ${child.pid} already`,
  })
  expect(machine.processes()).toHaveLength(2)
  expect(child.state).toBe('running')
})

describe('a worker whose event loop stands still', () => {
  test('is not waited for by a machine that ends, and survives the order that it reads later', async () => {
    const machine = await boot()
    const words = sharedWords()
    const worker = await busyWorker(words)
    const failures: unknown[] = []
    worker.on('error', (error) => failures.push(error))
    const adopting = rejectionOf(machine.adopt(worker))

    await machine[Symbol.asyncDispose]()

    expect(await adopting).toMatchObject({ code: 'ECANCELED' })
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)
    await eventually(() => Atomics.load(words, 2) === 1 || failures.length > 0, 'the worker to go on')
    expect(failures).toEqual([])
  })

  test('is ended by a signal that is aborted before it has answered', async () => {
    const words = sharedWords()
    const worker = await busyWorker(words)
    const machine = await boot({ worker: () => worker })
    const control = new AbortController()

    const spawning = machine.spawn(PROGRAM, { signal: control.signal })
    control.abort()
    Atomics.store(words, 0, 1)
    Atomics.notify(words, 0)

    expect(await (await spawning).waitAsync()).toEqual({ code: null, signal: 'SIGTERM' })
  })
})

test('run() in a thread that nobody can adopt says so', async () => {
  const machine = await boot()
  const url = import.meta.resolve('pageframe/machine')
  const source = `import { run } from '${url}'
    export default async () => run(() => 0).catch((error) => (error.code === 'ERR_PAGEFRAME_NOT_ADOPTABLE' ? 7 : 8))`

  const child = await machine.spawn(`data:text/javascript,${encodeURIComponent(source)}`)

  expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: 7, signal: null })
})

test('a thread has one program: run() again says so, before it is adopted and after', async () => {
  const machine = await boot()
  const url = import.meta.resolve('pageframe/machine')
  const source = `import('${url}').then(({ run }) => {
    const refused = run
    run(async () => {
      const codes = await Promise.all([early, refused(() => 1).catch((error) => error.code)])
      return codes.every((code) => code === 'ERR_PAGEFRAME_NOT_ADOPTABLE') ? 7 : 8
    })
    const early = refused(() => 1).catch((error) => error.code)
  })`

  const child = await machine.adopt(started(new Worker(source, { eval: true })))

  expect(await child.waitAsync({ timeoutMs: 5000 })).toEqual({ code: 7, signal: null })
})

test('kill() after the end of the machine does nothing, and changes nothing', async () => {
  const machine = await boot({ memory: '4MiB' })
  const child = await machine.adopt(started(new Worker(ADOPTED)), { args: { endless: true } })
  const { words } = attachmentById(machine.memory.memory)
  await machine[Symbol.asyncDispose]()
  const before = words.slice()

  child.kill('SIGKILL')

  expect([child.status?.signal ?? 'SIGKILL', words.every((word, i) => word === before[i])]).toEqual([
    'SIGKILL',
    true,
  ])
})

test('a wait for a child is settled by the end of its machine', async () => {
  const machine = await boot()
  const children = await Promise.all(
    [1, 2, 3].map(() => machine.spawn(PROGRAM, { args: { source: '() => new Promise(() => 0)', args: [] } })),
  )
  const waits = children.map((child) => child.waitAsync())

  await machine[Symbol.asyncDispose]()

  for (const status of await Promise.all(waits))
    expect(status).toMatchObject({ code: null, signal: 'SIGKILL' })
})
