/** The row boot: a process that boots a machine, once or twice, and sends what the last one took, in nanoseconds. */

import { Machine } from 'pageframe/machine'

if (process.argv[2] === 'second') await (await Machine.boot())[Symbol.asyncDispose]()
const start = performance.now()
const machine = await Machine.boot()
process.send((performance.now() - start) * 1e6)
await machine[Symbol.asyncDispose]()
process.disconnect()
