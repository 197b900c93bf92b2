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
import { locks } from './locks.ts'
import { stress } from './stress.ts'
import { CommandError, usage } from './errors.ts'

const commands = { exchange, stress, locks } as unknown as Readonly<Record<string, CommandDef>>

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

void main(commandLine()) // it lets no error out

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
  const [words, passed] = split(rest, command)
  if (words.some((word) => word === '--help' || word === '-h')) {
    await printUsage(command, root)
    return
  }
  const args = parse(words, command.args as ArgsDef)
  args._.push(...passed)
  await command.run?.({ rawArgs: rest, args, cmd: command })
}

/** What a command that runs a program reads itself, up to the name of the program, and what it passes on. */
function split(words: string[], command: CommandDef): [string[], string[]] {
  if (command !== commands.locks) return [words, []]
  const known = command.args as ArgsDef
  let index = 0
  while (index < words.length && words[index].startsWith('-')) {
    const takesValue = Object.hasOwn(known, words[index].slice(2))
    index += takesValue ? 2 : 1
  }
  return [words.slice(0, index + 1), words.slice(index + 1)]
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
