/**
 * Steps that the driver does itself, for they concern processes from outside: what each does with a run (run-scenario.mjs),
 * its step and the process of the step. Each resolves to an outcome.
 */

import { SIGNALS } from './constants.mjs'
import { sorted } from './expectations.mjs'
import { evaluate } from './expressions.mjs'
import { ScenarioFailure } from './failure.mjs'
import { within } from './time.mjs'

/** How long a call may take to come back, and what "still blocked a moment later" means. Milliseconds. */
export const RETURN_MS = 5_000
export const SETTLE_MS = 20

/** Signals that end a process that has no handler for them, and that kill() of a child knows. */
const DEADLY = new Set(['SIGKILL', 'SIGTERM'])

export const STEPS = {
  async exit(run, { args }, process) {
    const ended = await within(RETURN_MS, process.exit(run.argumentsFor('exit', args)))
    if (ended === undefined) throw new ScenarioFailure(`${process.name} did not end`)
    return ended.broke === undefined ? { ret: 0n } : ended
  },

  async kill(run, { args }) {
    const target = run.process(args.target)
    const number = Number(evaluate(args.sig ?? 0, run.names))
    if (number === 0) return target.status === undefined ? { ret: 0n } : { errno: 'ESRCH' }
    const signal = SIGNALS.get(number)
    if (!DEADLY.has(signal)) throw new ScenarioFailure(`nothing here sends signal ${number}`)
    target.kill(signal)
    if ((await within(RETURN_MS, target.ended)) === undefined)
      throw new ScenarioFailure(`${target.name} did not die`)
    target.started = undefined
    return { ret: 0n }
  },

  async wait(run, { args }) {
    const target = run.process(args.target)
    const status = await within(RETURN_MS, target.ended)
    if (status === undefined) throw new ScenarioFailure(`${target.name} has not ended`)
    const pid = BigInt(target.pid)
    return status.signal === null ? { ret: pid, exited: status.code } : { ret: pid, signaled: status.signal }
  },

  async blocked(_run, _step, process) {
    const outcome = await within(SETTLE_MS, startedOf(process))
    if (outcome !== undefined) throw new ScenarioFailure(`${process.name} has returned`, outcome)
    return { ret: 0n }
  },

  async finish(_run, _step, process) {
    const outcome = await within(RETURN_MS, startedOf(process))
    if (outcome === undefined) throw new ScenarioFailure(`${process.name} is still blocked`)
    process.started = undefined
    return outcome
  },

  async finish_any(run, { args, as }) {
    const started = args.of
      .map((name) => run.process(name))
      .filter((process) => process.started !== undefined)
    const first = await within(
      RETURN_MS,
      Promise.race(started.map(async (process) => ({ process, outcome: await process.started }))),
    )
    if (first === undefined) throw new ScenarioFailure('none of them has returned')
    first.process.started = undefined
    run.callHim(`$${as}`, first.process)
    return first.outcome
  },

  async finish_all(run, { args }) {
    const rets = []
    const errnos = []
    for (const name of args.of) {
      const outcome = await STEPS.finish(run, {}, run.process(name))
      if (outcome.broke !== undefined || outcome.gone !== undefined || outcome.signal !== undefined)
        return outcome
      // C returns -1 beside an error, and the recorded lists count it.
      rets.push(outcome.errno === undefined ? outcome.ret : -1n)
      if (outcome.errno !== undefined) errnos.push(outcome.errno)
    }
    return { ret: 0n, rets: sorted(rets), errnos: errnos.sort() }
  },
}

function startedOf(process) {
  if (process.started === undefined) throw new ScenarioFailure(`${process.name}: nothing was started`)
  return process.started
}
