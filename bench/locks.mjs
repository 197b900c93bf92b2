/** Rows that more than one suite has. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { Mutex, SharedMemory } from 'pageframe'
import { defaultAttachment } from 'pageframe/internals'
import { native } from './native.mjs'
import { onNode24 } from './node24.mjs'
import { PER_SAMPLE, timed } from './timed.mjs'

export const mutexUncontended = {
  name: 'mutex-uncontended',
  unit: 'ns',
  goals: { native: { atMost: 1.15 }, multithreading: { atLeast: 90 } },
  async contenders() {
    const { cpu } = defaultAttachment()
    const at = SharedMemory.default.alloc(64).bytes.byteOffset >>> 2
    const mutex = new Mutex()
    const idle = await idleThread()
    return {
      floor: timed(() => {
        for (let i = 0; i < PER_SAMPLE; i++) {
          cpu.compareExchange(at, 0, 1)
          cpu.exchange(at, 0)
        }
      }),
      ours: {
        ...timed(() => {
          for (let i = 0; i < PER_SAMPLE; i++) {
            mutex.lock()
            mutex.unlock()
          }
        }),
        end: () => idle.terminate(),
      },
      multithreading: await onNode24('multithreading', 'multithreading.mjs', 'mutex'),
      'pthread robust': native('mutex', 'robust'),
      native: native('mutex'),
    }
  },
}

/** As in the program in C: where there is one thread only, locks may be cheaper than they are in use. */
export async function idleThread() {
  const worker = new Worker(new URL('workers/idle.mjs', import.meta.url))
  await once(worker, 'message')
  return worker
}
