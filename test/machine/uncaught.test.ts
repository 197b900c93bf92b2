/** What a process does not catch is printed, and ends it with status 1. */

import { describe, expect, test } from 'vitest'
import { machineScript } from './machines.ts'

describe('an error that a process does not catch', () => {
  test.each([
    ['thrown in main()', () => { throw new Error('thrown in main') }], 
    ['of a promise', () => Promise.reject(new Error('rejected in main'))],
    ['later, in its event loop', () => new Promise(() => setTimeout(() => { throw new Error('thrown later') }, 5))],
    ['and no object', () => { throw 'just text' }], // eslint-disable-line @typescript-eslint/only-throw-error
  ])('%s: status 1, and it is printed, with the name of the process', async (_, work) => {
    const ended = await machineScript(
      async ({ Machine, program, running }, source) => {
        const machine = await Machine.boot({ memory: '8MiB' })
        const child = await machine.spawn(program, {
          ...running((0, eval)(`(${source})`) as () => unknown),
          name: 'clumsy',
        })
        const status = child.wait()
        await machine[Symbol.asyncDispose]()
        return status
      },
      [String(work)],
    )

    expect(ended.result).toEqual({ code: 1, signal: null })
    expect(ended.stderr).toContain("pageframe: process 2 'clumsy' ended by an error that it did not catch:")
    expect(ended.stderr).toMatch(/thrown in main|rejected in main|thrown later|just text/)
  }) // prettier-ignore

  test('a module without a program says what is missing', async () => {
    const ended = await machineScript(async ({ Machine }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const none = await machine.spawn(new URL('data:text/javascript,export const a = 1'))
      const other = await machine.spawn(new URL('data:text/javascript,export default 5'))
      const broken = await machine.spawn(new URL('data:text/javascript,import "nowhere"'))
      const statuses = [none.wait(), other.wait(), broken.wait()]
      await machine[Symbol.asyncDispose]()
      return statuses
    }, [])

    const failed = { code: 1, signal: null }
    expect(ended.result).toEqual([failed, failed, failed])
    expect(ended.stderr).toContain('its default export must be a function main(self, args), and is missing')
    expect(ended.stderr).toContain('and is of type number')
    expect(ended.stderr).toContain('nowhere')
  })

  test('what main() returns must be a number', async () => {
    const ended = await machineScript(async ({ Machine, program, running }) => {
      const machine = await Machine.boot({ memory: '8MiB' })
      const status = (
        await machine.spawn(
          program,
          running(() => 'ok'),
        )
      ).wait()
      await machine[Symbol.asyncDispose]()
      return status
    }, [])

    expect(ended.result).toEqual({ code: 1, signal: null })
    expect(ended.stderr).toContain(
      "main(): what it returns must be a number, the exit status, or nothing, not 'ok'",
    )
  })
})
