/** The line that says how a run goes on: `mutex, 2 workers  ████████░░░░  1.3 of 2.0 s  21.4 M sections/s  12 killed`. */

import { entryOf } from './catalogue.ts'
import type { Load } from './load.ts'
import type { Moment } from './run.ts'
import { plural, rate, whole } from './units.ts'

const BAR = 16

export function describe(load: Load, moment: Moment): string {
  const name = load.lock === undefined ? load.primitive : load.lock.className
  const head = `${name}, ${plural(load.workers, 'worker')}`
  const { phase, secondsDone, perSecond, kills } = moment
  if (phase === 'starting' || phase === 'stopping') return `${head}: ${phase}`
  const full = Math.round((secondsDone / load.seconds) * BAR)
  return [
    head,
    `${'█'.repeat(full)}${'░'.repeat(BAR - full)}`,
    phase === 'warm-up' ? 'warm-up' : `${secondsDone.toFixed(1)} of ${load.seconds.toFixed(1)} s`,
    `${rate(perSecond)} ${entryOf(load.primitive).unit}/s`,
    ...(load.killEveryMs === undefined ? [] : [`${whole(kills)} killed`]),
  ].join('  ')
}
