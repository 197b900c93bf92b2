/** The options of a load test, from words to numbers, each refused if it makes no sense. */

import { findFile, urlOfFile } from '../../host/files.ts'
import { importModule } from '../../host/spawning.ts'
import { cores } from '../../host/workers.ts'
import { CommandError, usage } from '../errors.ts'
import { entryOf, find, PRIMITIVES } from './catalogue.ts'
import type { PrimitiveName } from '../../../workers/stress/primitives.ts'
import { checkOwnLock } from '../../../workers/stress/own.ts'
import { describeThrown } from '../../../workers/stress/thrown.ts'
import type { Options, OwnLock } from './load.ts'

const MOST_WORKERS = 64
const MOST_SECONDS = 86_400
const MOST_NS = 1e9
const MOST_KILL_MS = 60_000

export interface Words {
  readonly workers?: string | undefined
  readonly seconds?: string | undefined
  readonly hold?: string | undefined
  readonly think?: string | undefined
  readonly 'read-ratio'?: string | undefined
  readonly 'kill-every'?: string | undefined
  readonly lock?: string | undefined
  readonly svg?: string | undefined
}

export async function optionsOf(words: Words): Promise<Options> {
  const killEvery = words['kill-every']
  const options = {
    workers: number('workers', words.workers, 1, MOST_WORKERS, true) ?? Math.max(2, cores),
    seconds: number('seconds', words.seconds, 0.1, MOST_SECONDS) ?? 2,
    holdNs: number('hold', words.hold, 0, MOST_NS) ?? 0,
    thinkNs: number('think', words.think, 0, MOST_NS) ?? 0,
    readRatio: number('read-ratio', words['read-ratio'], 0, 1) ?? 0.9,
    killEveryMs: number('kill-every', killEvery, 1, MOST_KILL_MS),
    sweeps: words.svg !== undefined,
  }
  return { ...options, lock: words.lock === undefined ? undefined : await ownLock(words.lock) }
}

/** Two values for one option: which is meant, nobody can know. `words`: the command line, whose options are known ones. */
export function assertOnce(words: readonly string[]): void {
  const seen = new Set<string>()
  for (const word of words) {
    if (word === '--') return
    if (!word.startsWith('--')) continue
    const name = kebab(word.slice(2).replace(/=.*/s, ''))
    if (seen.has(name)) throw usage(`--${name} is given twice`)
    seen.add(name)
  }
}

/** `--killEvery` is understood, too. */
function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

/** The figures and the picture are two files. */
export function assertApart(json: string | undefined, svg: string | undefined): void {
  if (json === undefined || svg === undefined) return
  if (urlOfFile(json) === urlOfFile(svg)) throw usage(`--json and --svg name one file, ${svg}`)
}

/** What is asked for, or all; of the user's lock, it alone. */
export function primitivesOf(names: readonly string[], { lock, killEveryMs }: Options): PrimitiveName[] {
  const named = names.map((name) => {
    const primitive = find(name)
    if (primitive === undefined)
      throw usage(`there is no primitive '${name}', only: ${PRIMITIVES.join(', ')}`)
    return primitive
  })
  const wanted: PrimitiveName[] = named.length > 0 ? named : lock === undefined ? [...PRIMITIVES] : []
  if (lock !== undefined) wanted.push('own')
  const unique = [...new Set(wanted)]
  if (killEveryMs !== undefined && unique.length === 1) {
    const why = whyNoKills(unique[0], lock)
    if (why !== undefined) throw usage(`--kill-every does not go with ${nameOf(unique[0], lock)}: ${why}`)
  }
  return unique
}

export function whyNoKills(primitive: PrimitiveName, lock: OwnLock | undefined): string | undefined {
  if (primitive !== 'own') return entryOf(primitive).whyNoKills
  if (lock?.afterDeath !== undefined) return undefined
  return 'its class has no static afterDeath(words, worker), so whoever dies inside would leave it locked for ever'
}

function nameOf(primitive: PrimitiveName, lock: OwnLock | undefined): string {
  return primitive === 'own' ? (lock?.className ?? 'a lock') : primitive
}

async function ownLock(path: string): Promise<OwnLock> {
  const url = findFile(path)
  if (url === undefined) throw new CommandError(`${path} does not exist`)
  try {
    const type = checkOwnLock(await importModule(url))
    return {
      path,
      url,
      className: nameOfClass(type) ?? path,
      afterDeath: type.afterDeath?.bind(type),
    }
  } catch (error) {
    throw new CommandError(`${path} is no lock: ${describeThrown(error)}`)
  }
}

/** Undefined if it has none of its own: a static field may stand in its place, and be anything. */
function nameOfClass({ name }: { readonly name: unknown }): string | undefined {
  return typeof name === 'string' && name !== '' && name !== 'default' ? name : undefined
}

function number(
  option: string,
  text: string | undefined,
  least: number,
  most: number,
  isWhole = false,
): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  const isFit = text.trim() !== '' && value >= least && value <= most && (!isWhole || Number.isInteger(value))
  if (isFit) return value
  throw usage(
    `--${option} must be a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}, not '${text}'`,
  )
}
