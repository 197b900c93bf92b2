/** The command line, the same for `bench/run.mjs` and for the suites that it starts. */

import { parseArgs } from 'node:util'

const LEAST_ROUNDS = 7

export const USAGE = `node bench/run.mjs [SUITE ...] [--rounds N] [--only TEXT] [--json FILE]

  --rounds N    interleaved rounds of each row, ${LEAST_ROUNDS} if absent; fewer are for looking, not for figures
  --only TEXT   rows whose name contains TEXT
  --json FILE   writes the results there too`

/** Throws an Error that says what is wrong. */
export function readOptions(args = process.argv.slice(2)) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: String(LEAST_ROUNDS) },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new Error(`--rounds ${values.rounds}: not a number of rounds`)
  return { suites: positionals, rounds, only: values.only, json: values.json, help: values.help }
}
