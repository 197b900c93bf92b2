/** The floor of the row spawn: a worker whose first line writes the time. */

import { workerData } from 'node:worker_threads'

workerData[0] = process.hrtime.bigint()
