/** The floor of the row import: a worker that posts one message. */

import { parentPort } from 'node:worker_threads'

parentPort.postMessage('here')
