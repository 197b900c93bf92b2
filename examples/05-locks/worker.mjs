import { workerData as part } from 'node:worker_threads'
import { Barrier, Condition, Latch, Mutex, Region, ResetEvent } from 'pageframe'
import { BOARD_BYTES, GENERATIONS, step, WORKERS } from './board.mjs'

const boards = Region.open('boards', BOARD_BYTES).bytes
const generation = Region.open('generation', 4).as(Int32Array)
const [lock, changed] = [Mutex.open('generation'), Condition.open('generation changed')]
const together = Barrier.open('generation', WORKERS)

Latch.open('ready', WORKERS).countDown()
ResetEvent.open('go').wait()

for (let now = 0; now < GENERATIONS; now++) {
  step(boards, now, part) // this worker's rows, from one board to the other
  const isLast = together.arrive({ timeoutMs: 20_000 }) // nobody goes on before all rows are there
  if (!isLast) continue
  lock.run(() => {
    // one of the three says so
    generation[0] = now + 1
    changed.notify()
  })
}
Latch.open('done', WORKERS).countDown()
