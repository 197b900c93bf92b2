/**
 * The command line: which command was asked for, and how its failure becomes an exit code.
 *
 *   0     it did what it says
 *   1     it could not: one line on stderr says why
 *   2     it was called in a way it does not understand
 *   130   Ctrl-C
 */

import { defineCommand, parseArgs, renderUsage, type ArgsDef, type CommandDef } from 'citty'
import { commandLine, onOutputError, plain, print, setExitCode } from '../host/process.ts'
import { complain } from '../host/workers.ts'
import { VERSION } from '../memory/version.ts'
import { exchange } from './exchange.ts'
import { stress } from './stress.ts'
import { CommandError, usage } from './errors.ts'

const commands = { exchange, stress } as unknown as Readonly<Record<string, CommandDef>>

/** What is missing where a value is, by its hint. */
const VALUES: Readonly<Record<string, string>> = {
  N: 'a number',
  S: 'seconds',
  NS: 'nanoseconds',
  MS: 'milliseconds',
  R: 'a number from 0 to 1',
  SIZE: 'a size',
  FILE: 'the name of a file',
}

/** The hint of an argument that may be several. */
const SEVERAL = '...'

const root = defineCommand({
  meta: { name: 'pageframe', version: VERSION, description: "Shared memory for Node's worker threads" },
  subCommands: commands,
})

await main(commandLine())

async function main([name, ...rest]: [string?, ...string[]]): Promise<void> {
  onOutputError((error) => {
    complain(`pageframe: cannot write to stdout: ${error.message}`)
    setExitCode(1)
  })
  try {
    if (name === undefined || name === '--help' || name === '-h') await printUsage(root)
    else if (name === '--version' || name === '-v') print(VERSION)
    else await run(name, rest)
  } catch (error) {
    complain(`pageframe${name !== undefined && name in commands ? ` ${name}` : ''}: ${messageOf(error)}`)
    setExitCode(error instanceof CommandError ? error.exitCode : 1)
  }
}

async function run(name: string, rest: string[]): Promise<void> {
  if (!Object.hasOwn(commands, name)) {
    throw usage(`there is no command '${name}', only: ${Object.keys(commands).join(', ')}`)
  }
  const command = commands[name]
  if (rest.some((word) => word === '--help' || word === '-h')) {
    await printUsage(command, root)
    return
  }
  const args = parse(rest, command.args as ArgsDef)
  await command.run?.({ rawArgs: rest, args, cmd: command })
}

/** citty lets pass what it does not know. We do not. */
function parse(words: string[], known: ArgsDef) {
  let args
  try {
    args = parseArgs(words, known)
  } catch (error) {
    throw usage(messageOf(error))
  }
  const isKnown = (key: string) =>
    key === '_' || Object.hasOwn(known, key) || Object.hasOwn(known, kebab(key))
  const stranger = Object.keys(args).find((key) => !isKnown(key))
  if (stranger !== undefined)
    throw usage(`there is no option ${stranger.length === 1 ? '-' : '--'}${stranger}`)
  for (const [name, { type, valueHint }] of Object.entries(known)) {
    if (type === 'positional') continue
    const value: unknown = args[name]
    if (value === false) throw usage(`there is no option --no-${name}`)
    // What should be the value is the next option, or nothing is left.
    if (value === '' || (typeof value === 'string' && value.startsWith('--')))
      throw usage(`--${name} needs ${VALUES[valueHint ?? ''] ?? 'a value'}`)
  }
  const positional = Object.values(known).filter(({ type }) => type === 'positional')
  const places = positional.length
  if (args._.length > places && !positional.some(({ valueHint }) => valueHint === SEVERAL))
    throw usage(`what is '${args._[places]}'? One argument too many`)
  return args
}

/** citty has `--kill-every` by two names. */
function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}

async function printUsage(command: CommandDef, parent?: CommandDef): Promise<void> {
  print(await renderUsage(command, parent))
}

function messageOf(error: unknown): string {
  return plain(error instanceof Error ? error.message : String(error))
}
