/** The process, as commands see it: its arguments, its terminal, its end, its time. */

import { arch, platform } from 'node:os'
import process from 'node:process'
import { stripVTControlCharacters } from 'node:util'
import { cores } from './workers.ts'

export function commandLine(): string[] {
  return process.argv.slice(2)
}

/** Writes a line to stdout; without colours where nobody would see them. */
export function print(text: string): void {
  process.stdout.write(`${process.stdout.isTTY ? text : plain(text)}\n`)
}

/** Calls back when stdout takes no more: its disk is full, its reader has gone. What stderr does not take is lost. */
export function onOutputError(callback: (error: Error) => void): void {
  process.stdout.once('error', callback)
  process.stdout.on('error', () => undefined) // one line is enough
  process.stderr.on('error', () => undefined)
}

/** Text without its colours. */
export function plain(text: string): string {
  return stripVTControlCharacters(text)
}

/** A line of stderr that says how far we are. On a terminal it is rewritten in place. */
export const status = {
  get isRewritten(): boolean {
    return process.stderr.isTTY
  },

  write(text: string): void {
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`)
  },

  clear(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  },
}

/** What the process says when it ends by itself. */
export function setExitCode(code: number): void {
  process.exitCode = code
}

/** Calls back at the first Ctrl-C; a second one ends the process at once. Returns what undoes it. */
export function onInterrupt(callback: () => void): () => void {
  process.once('SIGINT', callback)
  return () => process.off('SIGINT', callback)
}

/** Milliseconds of CPU that all threads of the process have used so far. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

export interface Machine {
  readonly node: string
  readonly system: string
  readonly cores: number
}

export function machine(): Machine {
  return { node: process.versions.node, system: `${platform()} ${arch()}`, cores }
}
