/** A lock as people make one without shared memory: a thread that has it, and gives it to whoever asks, first come first served. */

import { parentPort } from 'node:worker_threads'

const queue = []
let isHeld = false

parentPort.on('message', (message) => {
  if (message.wants !== undefined) queue.push(message.wants)
  else isHeld = false
  if (isHeld || queue.length === 0) return
  isHeld = true
  parentPort.postMessage(queue.shift())
})
parentPort.postMessage('ready')
