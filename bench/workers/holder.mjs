/** A thread that holds all the locks it is given, until it is killed. */

import { parentPort, workerData } from 'node:worker_threads'
import { Mutex } from 'pageframe'

for (const handle of workerData) Mutex.from(handle).lock()
parentPort.ref() // nothing will ever come, and it stays
parentPort.postMessage('holds')
