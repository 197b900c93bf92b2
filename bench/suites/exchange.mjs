/** The main job, block by block: read from a file, handed over, parsed where it lies, added up. */

import { Crew, findInput, ProcessCrew } from '../../dist/exchange.js'
import { runSuite } from '../harness.mjs'

const KIB = 1024

/** WordNet, one producer and one consumer: what `pageframe exchange` does on two cores. */
const job = { input: findInput(undefined), consumers: 1, blockBytes: 64 * KIB }

const betweenProcesses = {
  name: 'exchange-process',
  unit: 'us',
  goals: { floor: { atMost: 1.1 } },
  async contenders() {
    return {
      floor: await contender(new Crew({ transport: 'pageframe', comlink: undefined, ...job })),
      ours: await contender(new ProcessCrew(job)),
    }
  },
}

/** A sample is a whole round, divided by its blocks. */
async function contender(crew) {
  await crew.ready()
  return {
    async measure() {
      const { seconds, messages } = await crew.round()
      return [(seconds * 1e9) / messages]
    },
    end: () => crew.end(),
  }
}

await runSuite('exchange', [betweenProcesses])
