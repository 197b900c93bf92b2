/** pageframe stress, as its tests run it. */

import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { folder, start } from './command.ts'

export const short = ['--workers', '2', '--seconds', '0.3']

/** A lock of the user's own: one inside at a time, by a spin lock of compareExchange. */
export const SPIN = `
  export default class Spin {
    constructor(words, worker) { this.words = words; this.worker = worker }
    lock() { while (Atomics.compareExchange(this.words, 0, 0, this.worker) !== 0); }
    unlock() { Atomics.store(this.words, 0, 0) }
  }`

interface Waits {
  title: string
  timed: number
  p50Ns: number
  p99Ns: number
  p9999Ns: number
  maxNs: number
  histogram: [number, number][]
}

export interface StressFigures {
  name: string
  primitive: string
  workers: number
  seconds: number
  operations: number
  perSecond: number
  perWorker: number[]
  fairness: number | null
  waits: Waits[]
  spinsPerOperation: number
  parksPerOperation: number
  kills?: Record<
    | 'count' | 'holding' | 'leaving' | 'writing' | 'waiting' | 'elsewhere'
    | 'notices' | 'untold' | 'repairs' | 'permits' | 'worstRecoveryMs',
    number
  > // prettier-ignore
  verified: string
  violationCount: number
  violations: string[]
  whyNoKills?: string
  sweep: StressFigures[]
}

export interface StressReport {
  wasInterrupted: boolean
  isCorrect: boolean
  primitives: StressFigures[]
}

/** Runs it with `--json`; `env` is added to this process's. */
export async function stress(args: readonly string[], env: Record<string, string> = {}) {
  const json = join(folder, 'stress.json')
  rmSync(json, { force: true })
  const ended = await start(['stress', ...args, '--json', json], { env: { ...process.env, ...env } }).end
  const report = existsSync(json) ? (JSON.parse(readFileSync(json, 'utf8')) as StressReport) : undefined
  return { ...ended, report, figures: report?.primitives[0] }
}
