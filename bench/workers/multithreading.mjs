/** The package `multithreading`, in a process of its own: multithreading.mjs mutex | semaphore. Prints samples. */

import { Mutex, Semaphore } from 'multithreading'

const PER_SAMPLE = 100
const SAMPLES = 400

const mutex = new Mutex()
const semaphore = new Semaphore(1)

const pairs = {
  mutex() {
    for (let i = 0; i < PER_SAMPLE; i++) mutex.blockingLock()[Symbol.dispose]()
  },
  semaphore() {
    for (let i = 0; i < PER_SAMPLE; i++) semaphore.blockingAcquire()[Symbol.dispose]()
  },
}

const pair = pairs[process.argv[2]]
const samples = []
for (let s = -SAMPLES; s < SAMPLES; s++) {
  const start = performance.now()
  pair()
  if (s >= 0) samples.push(((performance.now() - start) * 1e6) / PER_SAMPLE)
}
console.log(samples.join('\n'))
process.exit()
