/** In the main thread of a program that `pageframe locks` runs. */

import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { writeReport } from './report-file.ts'

const folder = process.env.PAGEFRAME_LOCKS_REPORT ?? ''

process.on('exit', () => {
  writeReport(folder, 'final.json')
})

new Worker(new URL('./workers/locks-reporter.js', import.meta.url), {
  name: 'pageframe locks',
  workerData: { folder, everyMs: Number(process.env.PAGEFRAME_LOCKS_EVERY_MS) },
  execArgv: [],
  stdin: false,
}).unref()
