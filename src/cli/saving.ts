/** Files that a command writes: looked at before the work begins, written when it is done. */

import { assertWritable, writeText } from '../host/files.ts'
import { complain } from '../host/workers.ts'
import { CommandError } from './errors.ts'

/** Throws if it is clear already that nothing can be written there. */
export function assertSavable(path: string | undefined): void {
  if (path === undefined) return
  writing(path, () => {
    assertWritable(path)
  })
}

export function save(command: string, path: string, text: string): void {
  writing(path, () => {
    writeText(path, text)
  })
  complain(`pageframe ${command}: wrote ${path}`)
}

function writing(path: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    throw new CommandError(`cannot write ${path}: ${(error as Error).message}`)
  }
}
