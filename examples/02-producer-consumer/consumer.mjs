import { parentPort, workerData } from 'node:worker_threads'
import { revive } from 'pageframe'

const { pictures } = revive(workerData)

let sum = 0
for (;;) {
  const picture = pictures.read() // a worker may block
  if (picture === undefined) break // closed and drained
  for (const pixel of picture.bytes) sum += pixel
  picture[Symbol.dispose]() // the slot is free again; `using picture = ...` does it by itself
}
parentPort.postMessage(sum)
