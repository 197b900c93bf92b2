/** The row import: a worker that imports pageframe and posts one message. */

import { parentPort } from 'node:worker_threads'
import { Mutex } from 'pageframe'

parentPort.postMessage(typeof Mutex)
