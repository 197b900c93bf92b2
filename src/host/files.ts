/** Files, as commands need them: is this readable, how long is it, where does a package keep it. */

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { cwd } from 'node:process'
import { pathToFileURL } from 'node:url'

/** What was found where a file was looked for, read only if it is one. */
export interface FileFacts {
  readonly lengthBytes: number
  /** Its first bytes. */
  readonly head: Uint8Array
}

/** Opens a regular file and looks at it. Throws Node's own error (ENOENT, EACCES ...), or one with code EISDIR or ENOTSUP. */
export function lookAtFile(path: string, headBytes: number): FileFacts {
  const facts = statSync(path)
  if (facts.isDirectory()) throw Object.assign(new Error(`${path} is a directory`), { code: 'EISDIR' })
  // A pipe or a device has no length, cannot be read from a position, and may block whoever opens it.
  if (!facts.isFile()) throw Object.assign(new Error(`${path} is not a file`), { code: 'ENOTSUP' })
  const fd = openSync(path, 'r')
  try {
    const head = new Uint8Array(headBytes)
    return { lengthBytes: facts.size, head: head.subarray(0, readSync(fd, head, 0, headBytes, 0)) }
  } finally {
    closeSync(fd)
  }
}

/** Throws Node's own error if no file can be written there. Writes nothing. */
export function assertWritable(path: string): void {
  const facts = statSync(path, { throwIfNoEntry: false })
  if (facts?.isDirectory()) throw Object.assign(new Error('it is a directory'), { code: 'EISDIR' })
  if (facts !== undefined) accessSync(path, constants.W_OK)
  else accessSync(`${dirname(path)}/.`, constants.W_OK | constants.X_OK)
}

export function writeText(path: string, text: string): void {
  writeFileSync(path, text)
}

/** Path of a file in an installed package, ours or one of the directory we were started in; undefined if it is not there. */
export function findInPackage(file: string): string | undefined {
  for (const from of [import.meta.url, pathToFileURL(join(cwd(), 'index.js'))]) {
    try {
      return createRequire(from).resolve(file)
    } catch {
      // Not installed there.
    }
  }
  return undefined
}

/** The URL of a file by its path, if it is there. */
export function findFile(path: string): string | undefined {
  return existsSync(path) ? pathToFileURL(path).href : undefined
}

export function urlOfFile(path: string): string {
  return pathToFileURL(path).href
}
