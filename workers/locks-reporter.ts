/** A worker beside a program that `pageframe locks` runs: writes what is known of its locks, again and again. */

import { parentPort, workerData } from 'node:worker_threads'
import { writeReport } from './locks/report-file.ts'

const { folder, everyMs } = workerData as { folder: string; everyMs: number }

writeReport(folder, 'running.json')
parentPort?.postMessage('ready')

setInterval(() => {
  writeReport(folder, 'running.json')
}, everyMs)
