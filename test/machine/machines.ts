/** Machines for tests: each ends with its test. Functions for processes are sent as text. */

import { Machine, type BootOptions, type Child, type Process, type SpawnOptions } from 'pageframe/machine'
import type * as machineModule from 'pageframe/machine'
import type * as pageframe from 'pageframe'
import { afterEach } from 'vitest'
import { runFile, type Ended, type ProcessOptions } from '../support.ts'

export const PROGRAM = new URL('../fixtures/program.mjs', import.meta.url)

export type ProgramTools = typeof machineModule & {
  readonly pageframe: typeof pageframe
  readonly self: Process
}

export type ScriptTools = typeof pageframe &
  typeof machineModule & {
    readonly program: URL
    readonly running: <A extends unknown[]>(
      work: (tools: ProgramTools, ...args: A) => unknown,
      ...args: A
    ) => SpawnOptions
  }

const booted = new Set<Machine>()

afterEach(async () => {
  await Promise.all([...booted].map((machine) => machine[Symbol.asyncDispose]()))
  booted.clear()
})

export async function boot(options: BootOptions = {}): Promise<Machine> {
  const machine = await Machine.boot({ memory: '16MiB', ...options })
  booted.add(machine)
  return machine
}

/** Spawns a process that runs a function. */
export function start<A extends unknown[]>(
  machine: Machine,
  work: (tools: ProgramTools, ...args: A) => unknown,
  ...args: A
): Promise<Child> {
  return machine.spawn(PROGRAM, { args: { source: String(work), args } })
}

/** Runs a function, in a Node process of its own, that boots machines. */
export function machineScript<A extends unknown[]>(
  work: (tools: ScriptTools, ...args: A) => unknown,
  args: A,
  options?: ProcessOptions,
): Promise<Ended> {
  return runFile('machine-script.mjs', [String(work), ...args.map((each) => JSON.stringify(each))], options)
}
