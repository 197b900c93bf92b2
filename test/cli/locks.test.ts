/** pageframe locks: a program of the user's with its locks watched, and the report. */

import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type * as pageframe from 'pageframe'
import { eventually } from '../support.ts'
import { folder, pageframe as command, start, write } from './command.ts'

const INDEX = new URL('../../dist/index.js', import.meta.url).href

/** A program of the function's text, which gets what pageframe exports and node:worker_threads. */
function program(
  name: string,
  work: (tools: typeof pageframe, threads: typeof import('node:worker_threads')) => unknown,
) {
  return write(
    `${name}.mjs`,
    `import * as pageframe from '${INDEX}'\nimport * as threads from 'node:worker_threads'\nawait (${String(work)})(pageframe, threads)\n`,
  )
}

/** Two workers that take two locks crosswise, and meet. */
function crosswise(
  { Mutex, Semaphore }: typeof pageframe,
  { Worker, isMainThread, workerData }: typeof import('node:worker_threads'),
) {
  if (isMainThread) {
    const file = process.argv[1]
    for (const order of [['accounts', 'audit'], ['audit', 'accounts']]) new Worker(file, { workerData: order }) // prettier-ignore
    return
  }
  const [outer, inner] = workerData as [string, string]
  const arrived = Semaphore.open('arrived', 0)
  const other = Semaphore.open('other', 0)
  try {
    Mutex.open(outer).run(function transfer() {
      if (outer === 'accounts') {
        arrived.release()
        other.acquire()
      } else {
        other.release()
        arrived.acquire()
      }
      Mutex.open(inner).run(() => undefined)
    })
  } catch (error) {
    console.log((error as { code?: string }).code)
  }
}

function leftFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith('pageframe-locks-'))
}

test('a deadlock, the contradiction behind it, and what each lock did; stdout and exit code stay the program’s', async () => {
  const json = join(folder, 'locks.json')

  const { code, stdout, stderr } = await command('locks', '--json', json, program('crosswise', crosswise))

  expect({ code, stdout }).toEqual({ code: 0, stdout: 'EDEADLK\n' })
  expect(stderr).toMatch(/^lock +made +taken +waited/m)
  expect(stderr).toMatch(/^Mutex 'accounts' +1 +\d/m)
  expect(stderr).toContain('1 deadlock that was not waited for: EDEADLK\n')
  expect(stderr).toContain('    transfer (')
  expect(stderr).toContain('1 contradiction in the order of locks')
  const { memories } = JSON.parse(readFileSync(json, 'utf8')) as {
    memories: { memory: string; locks: { label: string }[]; deadlocks: string[]; inversions: unknown[] }[]
  }
  expect(memories.map(({ memory }) => memory)).toEqual(['default'])
  expect(memories[0].locks.map(({ label }) => label).sort()).toEqual(
    ["Mutex 'accounts'", "Mutex 'audit'", "Semaphore 'arrived'", "Semaphore 'other'"].sort(),
  )
  expect(memories[0].deadlocks).toHaveLength(1)
  expect(memories[0].inversions).toHaveLength(1)
})

test('arguments behind the program are the program’s, and so is the exit code', async () => {
  const file = program('arguments', () => {
    console.log(process.argv.slice(2).join())
    process.exit(3)
  })

  const { code, stdout, stderr } = await command('locks', file, '--json', '-x', '--help')

  expect({ code, stdout }).toEqual({ code: 3, stdout: '--json,-x,--help\n' })
  expect(stderr).toContain('no lock was used')
})

test('a program that hangs and is interrupted: who waits at this moment, for whom', async () => {
  const before = leftFolders()
  const file = program('hanging', async ({ Mutex }, { Worker, isMainThread }) => {
    const lock = Mutex.open('stuck')
    if (!isMainThread) {
      lock.lock()
      await new Promise((resolve) => setTimeout(resolve, 1e6))
    }
    new Worker(process.argv[1])
    while (lock.owner === null) await new Promise((resolve) => setTimeout(resolve, 5))
    console.log('hangs')
    lock.lock()
  })
  const { child, end } = start(['locks', '--every', '0.2', file])
  let stderr = ''
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  await eventually(() => stderr.includes('waiting at this moment'), 'a report while it hangs')

  child.kill('SIGINT')
  const { code } = await end

  expect(code).toBe(130)
  expect(stderr).toMatch(/thread 0 'main' waits for Mutex 'stuck' \(.*\), held by thread \d+\n/)
  expect(leftFolders()).toEqual(before)
})

test('a program that is busy from its first line on is reported on while it is, and after it was killed', async () => {
  const file = program('busy', ({ Mutex }) => {
    Mutex.open('busy').lock()
    for (;;);
  })
  const { child, end } = start(['locks', '--every', '0.2', file])
  let told = ''
  child.stderr?.on('data', (chunk: Buffer) => (told += chunk.toString()))
  await eventually(() => told.includes("Mutex 'busy'"), 'a report while it is busy')
  const before = told.length

  child.kill('SIGINT')
  const { code, stderr } = await end

  expect(code).toBe(130)
  expect(stderr.slice(before)).toMatch(/^Mutex 'busy' +1 +1 /m)
})

test('memories that the program makes are watched too', async () => {
  const file = program('memories', ({ Mutex, SharedMemory }) => {
    const memory = new SharedMemory({ name: 'second', size: '64MiB' })
    new Mutex({ memory, name: 'there' }).run(() => undefined)
    Mutex.open('here').run(() => undefined)
  })

  const { code, stderr } = await command('locks', file)

  expect(code).toBe(0)
  expect(stderr).toMatch(/locks of memory 'default'\n\n.*\nMutex 'here'/)
  expect(stderr).toMatch(/locks of memory 'second'\n\n.*\nMutex 'there'/)
})

test.each([
  [[], 'which program? pageframe locks SCRIPT [ARGS...]'],
  [['--every', 'x', 'a.js'], "--every must be a number of seconds from 0.1 to 86400, not 'x'"],
  [['--often', 'a.js'], 'there is no option --often'],
  [['--json'], '--json needs the name of a file'],
])('locks %j is refused', async (args, message) => {
  const { code, stdout, stderr } = await command('locks', ...args)

  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toBe(`pageframe locks: ${message} (--help says more)\n`)
})

test('a program that is not there is told by node', async () => {
  const { code, stderr } = await command('locks', join(folder, 'missing.mjs'))

  expect(code).toBe(1)
  expect(stderr).toContain('Cannot find module')
})
