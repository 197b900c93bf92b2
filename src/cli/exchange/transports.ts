/** The ways from producer to consumer that an exchange compares. */

import { findInPackage, urlOfFile } from '../../host/files.ts'
import type { ComlinkUrls } from '../../../workers/exchange/comlink.ts'
import type { Transport } from '../../../workers/exchange/duty.ts'
import { CommandError } from '../errors.ts'

export const TRANSPORTS = [
  'pageframe',
  'process',
  'clone',
  'transfer',
  'comlink',
] as const satisfies readonly Transport[]

/** As they stand in the table. */
export const TITLES: Readonly<Record<Transport, string>> = {
  pageframe: 'pageframe channel',
  process: 'pageframe, processes',
  clone: 'postMessage, clone',
  transfer: 'postMessage, transfer',
  comlink: 'comlink, transfer',
}

export interface Choice {
  readonly transports: readonly Transport[]
  /** Asked for and not installed. */
  readonly missing: readonly Transport[]
  readonly comlink: ComlinkUrls | undefined
}

/** All transports, or the one that is asked for. */
export function choose(only: Transport | undefined): Choice {
  const wanted = only === undefined ? TRANSPORTS : [only]
  const comlink = wanted.includes('comlink') ? findComlink() : undefined
  if (only === 'comlink' && comlink === undefined) {
    throw new CommandError('comlink is not installed: npm install comlink')
  }
  const isThere = (transport: Transport) => transport !== 'comlink' || comlink !== undefined
  return {
    transports: wanted.filter(isThere),
    missing: wanted.filter((transport) => !isThere(transport)),
    comlink,
  }
}

function findComlink(): ComlinkUrls | undefined {
  const main = findInPackage('comlink/dist/esm/comlink.mjs')
  const nodeAdapter = findInPackage('comlink/dist/esm/node-adapter.mjs')
  if (main === undefined || nodeAdapter === undefined) return undefined
  return { main: urlOfFile(main), nodeAdapter: urlOfFile(nodeAdapter) }
}
