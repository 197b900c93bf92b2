// The Game of Life on a shared board, by three workers: a Latch, a ResetEvent, a Barrier, a Mutex and a Condition.
import { Worker } from 'node:worker_threads'
import { Condition, Latch, Mutex, Region, ResetEvent } from 'pageframe'
import { BOARD_BYTES, GENERATIONS, glider, WORKERS } from './board.mjs'

const boards = Region.open('boards', BOARD_BYTES).bytes
const start = glider()
boards.set(start)

const ready = Latch.open('ready', WORKERS) // each worker counts it down when it has come up
const go = ResetEvent.open('go') // and starts when this is set
const done = Latch.open('done', WORKERS)
for (let part = 0; part < WORKERS; part++) {
  new Worker(new URL('worker.mjs', import.meta.url), { workerData: part })
}

await ready.waitAsync({ timeoutMs: 20_000 })
console.log(`${WORKERS} workers are ready`)
go.set()

// The main thread sleeps until the generation is a certain one, and does not block.
const lock = Mutex.open('generation')
const changed = Condition.open('generation changed')
const generation = Region.open('generation', 4).as(Int32Array)
await lock.runAsync((held) =>
  changed.waitAsync(held, { until: () => generation[0] >= GENERATIONS / 2, timeoutMs: 20_000 }),
)
console.log('half of the way')

await done.waitAsync({ timeoutMs: 20_000 })
const isBack = start.every((cell, i) => boards[i] === cell)
console.log(`${generation[0]} generations: the glider is ${isBack ? 'where it was' : 'lost'}`)
