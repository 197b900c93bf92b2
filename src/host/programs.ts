/** Programs of users, run as processes of their own: with our terminal, and more environment. */

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'

export interface Program {
  /** The exit code, as a shell has it: 128 and the number for a signal. Rejects if it cannot be started. */
  readonly ended: Promise<number>
}

/** Runs `node SCRIPT ARGS...` with a module loaded before it. */
export function runProgram(
  preload: URL,
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Program {
  const child = spawn(process.execPath, ['--import', preload.href, script, ...args], {
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  // A terminal sends its Ctrl-C to both of us. What somebody sends to this process alone is meant for the program.
  const pass = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.on(signal, pass)
  const ended = new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      resolve(signal === null ? (code ?? 1) : 128 + constants.signals[signal])
    })
  }).finally(() => {
    for (const signal of signals) process.off(signal, pass)
  })
  return { ended }
}

/** A folder of ours, empty, until `remove`. */
export function temporaryFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'pageframe-locks-'))
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true })
    },
  }
}

/** What a file says that may be there or not. */
export function readIfThere(folder: string, file: string): string | undefined {
  try {
    return readFileSync(join(folder, file), 'utf8')
  } catch {
    return undefined
  }
}
