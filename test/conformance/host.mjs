/**
 * A process of the driver that runs scenarios, one at a time, as it is told to: if one of them hangs or crashes, nobody
 * else does, and the driver starts another.
 *
 *   driver                               host
 *            { scenario, layout } ─►     runs it
 *            ◄─ { step }                 before each step, for whoever must say where it hung
 *            ◄─ { outcome }              after it, if outcomes were asked for
 *            ◄─ { failure }              the end: a sentence, or null
 */

import { bootMachine } from './machine-world.mjs'
import { runScenario } from './run-scenario.mjs'

process.on('message', async ({ scenario, layout, wantsOutcomes }) => {
  let failure = null
  try {
    await runScenario(
      scenario,
      () => bootMachine(layout),
      (index, _step, outcome) => {
        if (outcome === undefined) process.send({ step: index })
        else if (wantsOutcomes) process.send({ step: index, outcome })
      },
    )
  } catch (error) {
    failure = error?.name === 'ScenarioFailure' ? error.message : String(error?.stack ?? error)
  }
  process.send({ failure })
})

process.on('disconnect', () => process.exit())
