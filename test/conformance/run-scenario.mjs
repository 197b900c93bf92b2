/**
 * Runs one scenario in a world: boots it, starts the processes, takes the steps one after the other, and compares what
 * each did with what it expects.
 *
 *   world      boot() => World                          machine-world.mjs; a test has one of its own
 *   World      window, taskSize, start(name) => process, end() => complaints, inspect
 *   process    name, pid, view, call(call, args) => outcome, exit(args), kill(signal), ended => status, status, started
 *
 * Every scenario gets a world of its own, and the world is asked at the end whether all is in order.
 */

import { argumentsOf } from './arguments.mjs'
import { CALLS } from './calls.mjs'
import { describe, mismatch } from './expectations.mjs'
import { ExpressionError } from './expressions.mjs'
import { ScenarioFailure } from './failure.mjs'
import { SYNC_CALLS } from './sync-calls.mjs'
import { RETURN_MS, SETTLE_MS, STEPS } from './steps.mjs'
import { within } from './time.mjs'
import { VIEWS } from './views.mjs'

/**
 * Resolves when the scenario has passed, and rejects with a ScenarioFailure. `onStep` hears of each step and its outcome.
 */
export async function runScenario(scenario, boot, onStep = undefined) {
  const world = await boot()
  let failure
  try {
    await new Run(scenario, world, onStep).go()
  } catch (error) {
    failure = error
  }
  const complaints = await world.end()
  if (failure !== undefined) throw failure
  if (complaints.length > 0) throw new ScenarioFailure(`at the end: ${complaints.join('; ')}`)
}

class Run {
  /** Symbols: names to bigints. */
  names

  #scenario
  #world
  #onStep
  #processes = new Map()
  #aliases = new Map()

  constructor(scenario, world, onStep) {
    this.#scenario = scenario
    this.#world = world
    this.#onStep = onStep
    this.names = new Map([
      ['W', BigInt(world.window)],
      ['TASK_SIZE', BigInt(world.taskSize)],
    ])
  }

  async go() {
    for (const name of this.#scenario.procs) {
      const process = await this.#world.start(name)
      this.#processes.set(name, process)
      this.names.set(`pid_${name}`, BigInt(process.pid))
    }
    for (const [index, step] of this.#scenario.steps.entries()) {
      try {
        await this.#take(step, index)
      } catch (error) {
        throw failureOf(error, step, index)
      }
    }
  }

  process(name) {
    const process = this.#processes.get(this.#aliases.get(name) ?? name)
    if (process === undefined) throw new ScenarioFailure(`there is no process ${name}`)
    return process
  }

  callHim(alias, process) {
    this.#aliases.set(alias, process.name)
  }

  argumentsFor(call, args) {
    return argumentsOf(CALLS[call][0], args, this.names)
  }

  async #take(step, index) {
    const { expect = {}, as, call } = step
    this.#onStep?.(index, step, undefined)
    const outcome = await this.#outcomeOf(step)
    this.#onStep?.(index, step, outcome)
    // It was started, and blocks: what it does is for `finish`.
    if (outcome === undefined) return
    const complaint = mismatch(expect, outcome, this.names)
    if (complaint !== undefined) throw new ScenarioFailure(complaint)
    if (as === undefined || call === 'finish_any' || outcome.signal !== undefined) return
    this.names.set(as, outcome.value ?? (outcome.errno === undefined ? BigInt(outcome.ret) : -1n))
  }

  async #outcomeOf(step) {
    const { p, call, args, start } = step
    const process = p === undefined ? undefined : this.process(p)
    if (Object.hasOwn(STEPS, call) && call !== 'exit') return STEPS[call](this, step, process)
    if (process.started !== undefined)
      throw new ScenarioFailure(`${p} is still inside a call that was started`)
    if (process.status !== undefined) throw new ScenarioFailure(`${p} has ended`)
    if (call === 'exit') return STEPS.exit(this, step, process)
    if (Object.hasOwn(VIEWS, call)) return this.#look(process, call, args)

    const outcome = process.call(call, this.argumentsFor(call, args))
    if (start !== undefined && start !== false) return this.#start(process, outcome, step)
    const returned = await within(RETURN_MS, outcome)
    if (returned === undefined) throw new ScenarioFailure(`it did not return in ${RETURN_MS} ms`)
    return returned
  }

  async #start(process, outcome, { call, start, spin }) {
    process.started = outcome
    if (start === 'maybe') return undefined
    // On a machine that is busy with something else the process may not have come to its call yet.
    const sleeps = spin !== true && Object.hasOwn(SYNC_CALLS, call)
    await Promise.race([outcome, sleeps ? process.asleep?.() : process.begun])
    const returned = await within(SETTLE_MS, outcome)
    if (returned !== undefined) throw new ScenarioFailure('it returned at once instead of blocking', returned)
    return undefined
  }

  /** Seen from outside, and from inside: a process must see of itself what others see of it. */
  async #look(process, call, args) {
    const [types, look] = VIEWS[call]
    const converted = argumentsOf(types, args, this.names)
    const outside = normal(look(this.#world.inspect, process.view, converted))
    const inside = await within(RETURN_MS, process.call(call, converted))
    if (inside === undefined) throw new ScenarioFailure(`it did not return in ${RETURN_MS} ms`)
    if (inside.broke !== undefined || inside.gone !== undefined) return inside
    const [theirs, its] = [describe(outside), describe(normal(inside))]
    if (theirs !== its) throw new ScenarioFailure(`others see: ${theirs}; the process itself sees: ${its}`)
    return outside
  }
}

/** With `ret`, and without what differs from time to time. */
function normal({ ret = 0, ...outcome }) {
  delete outcome.ms
  return { ret: BigInt(Math.floor(ret)), ...outcome }
}

function failureOf(error, { p, call, args }, index) {
  const where = `step ${index + 1}, ${p === undefined ? '' : `${p}.`}${call}${args === undefined ? '' : ` ${JSON.stringify(args)}`}`
  const isOurs = error instanceof ScenarioFailure || error instanceof ExpressionError
  return new ScenarioFailure(`${where}: ${isOurs ? error.message : (error?.stack ?? error)}`)
}
