/**
 * In the main thread of a program that `pageframe locks` runs.
 *
 * The program begins when the reporter has written once: to find the memory it needs this thread's event loop, and a program
 * may keep that busy from its first line on.
 */

import process from 'node:process'
import { Worker } from 'node:worker_threads'
import { writeReport } from './report-file.ts'

const folder = process.env.PAGEFRAME_LOCKS_REPORT ?? ''

process.on('exit', () => {
  writeReport(folder, 'final.json')
})

const reporter = new Worker(new URL('./workers/locks-reporter.js', import.meta.url), {
  name: 'pageframe locks',
  workerData: { folder, everyMs: Number(process.env.PAGEFRAME_LOCKS_EVERY_MS) },
  execArgv: [],
  stdin: false,
})
await new Promise((resolve) => reporter.once('message', resolve).once('exit', resolve))
reporter.unref()
