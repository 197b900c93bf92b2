/** A thread that is attached to the default memory and does nothing. */

import { parentPort } from 'node:worker_threads'
import { SharedMemory } from 'pageframe'

parentPort.ref() // nothing will ever come, and it stays
parentPort.postMessage(SharedMemory.default.usedBytes)
