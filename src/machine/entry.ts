/** Imported for its effect by dist/process.js, which is what a process's worker is started with. */

import { startProcess } from './start.ts'

startProcess()
