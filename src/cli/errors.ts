/** How a command fails: with one line for stderr, and an exit code (main.ts lists them). */

export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The command was called in a way it does not understand. */
export function usage(message: string): CommandError {
  return new CommandError(`${message} (--help says more)`, 2)
}

export const INTERRUPTED = 130
