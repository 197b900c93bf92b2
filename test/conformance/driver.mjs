/**
 * Runs scenarios in hosts (host.mjs), a few at a time, and watches over them: a scenario that takes too long has failed,
 * and so has one whose host died. The order of the results is that of the jobs.
 */

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { reasonToSkip } from './engine.mjs'

const HOST = fileURLToPath(new URL('host.mjs', import.meta.url))

/** No scenario takes longer, unless it is told to. */
export const LIMIT_MS = 60_000

export const LAYOUTS = ['lp64', 'ilp32']

/**
 * @typedef {import('./scenarios.mjs').Scenario} Scenario
 * @typedef {{ scenario: Scenario, layout: string, verdict: string, reason?: string, milliseconds: number }} Result
 */

/**
 * Runs every scenario in every layout. Each result: { scenario, layout, verdict: 'passed' | 'failed' | 'skipped', reason,
 * milliseconds }. `onResult` hears of each as soon as it is there.
 *
 * @param {Scenario[]} scenarios
 * @param {{ layouts?: string[], jobs?: number, limitMs?: number, onResult?: (result: Result) => void,
 *           onOutcome?: (scenario: Scenario, layout: string, step: number, outcome: object) => void }} [options]
 * @returns {Promise<Result[]>}
 */
export async function runAll(
  scenarios,
  { layouts = LAYOUTS, jobs = 2, limitMs = LIMIT_MS, onResult, onOutcome } = {},
) {
  const work = scenarios.flatMap((scenario) => layouts.map((layout) => ({ scenario, layout })))
  const results = new Array(work.length)
  let next = 0
  const crew = Array.from({ length: Math.min(jobs, work.length) }, async () => {
    const host = new Host(onOutcome)
    while (next < work.length) {
      const index = next++
      results[index] = { ...work[index], ...(await verdictOf(host, work[index], limitMs)) }
      onResult?.(results[index])
    }
    host.end()
  })
  await Promise.all(crew)
  return results
}

async function verdictOf(host, { scenario, layout }, limitMs) {
  const skipped = reasonToSkip(scenario)
  if (skipped !== undefined) return { verdict: 'skipped', reason: skipped, milliseconds: 0 }
  const before = performance.now()
  const failure = await host.run(scenario, layout, limitMs)
  const milliseconds = Math.round(performance.now() - before)
  return failure === null
    ? { verdict: 'passed', reason: undefined, milliseconds }
    : { verdict: 'failed', reason: failure, milliseconds }
}

class Host {
  #process
  #onOutcome
  #errors = ''

  constructor(onOutcome) {
    this.#onOutcome = onOutcome
  }

  /** What went wrong, or null. */
  async run(scenario, layout, limitMs) {
    const host = (this.#process ??= this.#start())
    let step = -1
    let watchdog
    this.#errors = ''
    const failure = await new Promise((resolve) => {
      host.removeAllListeners('message').removeAllListeners('exit')
      host.on('message', (said) => {
        if (said.failure !== undefined) return resolve(said.failure)
        step = said.step
        if (said.outcome !== undefined) this.#onOutcome?.(scenario, layout, step, said.outcome)
      })
      host.on('exit', (code, signal) => {
        this.#process = undefined
        resolve(
          `${at(scenario, step)}the process that ran it died (${signal ?? `exit code ${code}`})${this.#said()}`,
        )
      })
      watchdog = setTimeout(() => {
        this.end()
        resolve(`${at(scenario, step)}it did not end in ${limitMs / 1000} s${this.#said()}`)
      }, limitMs)
      host.send({ scenario, layout, wantsOutcomes: this.#onOutcome !== undefined })
    })
    clearTimeout(watchdog)
    return failure === null ? null : failure
  }

  end() {
    this.#process?.removeAllListeners()
    this.#process?.kill('SIGKILL')
    this.#process = undefined
  }

  #start() {
    // Advanced: outcomes hold bigints.
    const host = fork(HOST, { serialization: 'advanced', stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    for (const stream of [host.stdout, host.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.#errors = (this.#errors + text).slice(-2_000)))
    }
    // Whoever cannot be started or told anything exits, and that is heard.
    host.on('error', (error) => (this.#errors += error.message))
    return host
  }

  #said() {
    return this.#errors === '' ? '' : `; it said: ${this.#errors.trim()}`
  }
}

function at({ steps }, step) {
  if (step < 0) return 'before the first step: '
  const { p, call } = steps[step]
  return `step ${step + 1}, ${p === undefined ? '' : `${p}.`}${call}: `
}
