// Four workers count to 40,000 together. No message is passed: a name finds the same object in every thread.
import { Worker } from 'node:worker_threads'
import { Mutex, Region } from 'pageframe'

const counter = Region.open('counter', 4).as(Int32Array)

const workers = Array.from({ length: 4 }, () => new Worker(new URL('./worker.mjs', import.meta.url)))
await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('exit', resolve))))

await Mutex.open('counting').runAsync(() => {
  console.log(`counted to ${counter[0]}`)
})
