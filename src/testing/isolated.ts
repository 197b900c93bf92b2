/**
 * isolated(): a default memory of its own for one test, and for the workers that it starts.
 *
 *   test('orders are counted once', () =>
 *     isolated(async () => {
 *       const worker = new Worker(url)           // its SharedMemory.default is this test's
 *       Mutex.open('orders') ...                 // a name that no other test can have taken
 *       await once(worker, 'exit')
 *     }))
 *
 *   begin   a fresh memory becomes SharedMemory.default here, and environment data for workers started from now on
 *   test    runs
 *   end     its workers have ended, or are ended; nobody holds or waits for anything; the memory adds up; it is destroyed
 *
 * Workers that ran before keep the memory that they have. There is one isolated test at a time in a thread: the default
 * memory is the thread's.
 */

import { onWorkerStarted, threadState, type Worker } from '../host/workers.ts'
import type { Attachment } from '../memory/attachment.ts'
import { everyLock, labelAround, objectAround } from '../memory/around.ts'
import { checkMemory } from '../memory/check.ts'
import {
  defaultAttachment,
  destroyMemory,
  LEAST_BYTES,
  makeMemory,
  MOST_BYTES,
  replaceDefault,
} from '../memory/inventory.ts'
import { knownKinds } from '../memory/kind.ts'
import { SharedMemory } from '../memory/shared-memory.ts'
import { threadMemories } from '../memory/thread-memories.ts'
import { WAITING, WaitRecord } from '../sync/wait-record.ts'
import { FREE, MAKER_SLOT, stateOf, SUPERVISOR_SLOT, ThreadSlot } from '../threads/slot.ts'
import { MiB } from '../words/constants.ts'
import { EBUSY, ErrnoError } from '../words/errno.ts'
import { assertFunction, assertOptions, bytesOf, integer, rangeError, type Size } from '../words/usage.ts'

const DEFAULT_SIZE_BYTES = 64 * MiB
const DEFAULT_PATIENCE_MS = 10_000
const LOOK_MS = 2
const MOST_MS = 2 ** 31 - 1

export interface IsolatedOptions {
  /** Of the memory: 2 MiB to 4 GiB, 64 MiB if absent. Nothing is taken from the host until it is touched. */
  size?: Size
  /** How long the workers of the test may take to end once it has, in milliseconds: 10,000 if absent. Then they are ended. */
  endsWithinMs?: number
  /** Whether it is a failure if an object that the test made is still there: true in tests of destroy(). Default false. */
  destroyed?: boolean
}

/** What isolated() throws when a test leaves something behind: `problems` has a sentence for each. */
export interface LeftBehind extends Error {
  readonly code: 'ERR_PAGEFRAME_LEFT_BEHIND'
  readonly problems: readonly string[]
}

/** The workers that the isolated test of this thread has started; undefined while there is none. */
const isolation = threadState<{ workers: Set<Worker> | undefined; listens: boolean }>(
  'pageframe isolated',
  () => ({ workers: undefined, listens: false }),
)

/**
 * Runs a test whose `SharedMemory.default` is a fresh one, here and in the workers that it starts. Resolves with what the
 * test returns, once its workers have ended and the memory has been found to be at rest, and destroyed.
 *
 * Rejects with what the test throws; else with an ERR_PAGEFRAME_LEFT_BEHIND that names each lock that is still held, each
 * wait that goes on, each worker that did not end, and whatever does not add up in the memory.
 * Rejects with EBUSY while another isolated test of this thread is under way.
 */
export async function isolated<T>(
  test: (memory: SharedMemory) => T | Promise<T>,
  options: IsolatedOptions = {},
): Promise<T> {
  assertFunction('isolated()', 'test', test)
  assertOptions('isolated()', options)
  const { size = DEFAULT_SIZE_BYTES, endsWithinMs = DEFAULT_PATIENCE_MS, destroyed = false } = options
  const bytes = bytesOf('isolated()', 'size', size, MOST_BYTES)
  if (bytes < LEAST_BYTES) throw rangeError(`isolated(): size must be 2 MiB or more, not ${bytes}`)
  const patienceMs = integer('isolated()', 'endsWithinMs', endsWithinMs, 0, MOST_MS)
  if (isolation.workers !== undefined) {
    throw new ErrnoError(
      EBUSY,
      'isolated',
      'isolated(): another isolated test of this thread is under way; await it first',
    )
  }

  listen()
  const workers = (isolation.workers = new Set())
  defaultAttachment()
  const attachment = makeMemory(bytes, 'isolated')
  const restore = replaceDefault(attachment)
  let hasEnded = false
  try {
    const result = await test(SharedMemory.default)
    hasEnded = true
    await ended(workers, patienceMs)
    const problems = await problemsOf(attachment, workers, patienceMs, destroyed)
    if (problems.length > 0) throw leftBehind(problems)
    return result
  } finally {
    // A test that failed has workers that may wait for ever.
    await Promise.all([...workers].map((worker) => worker.terminate()))
    if (!hasEnded) await isAlone(attachment, patienceMs)
    restore()
    isolation.workers = undefined
    destroyMemory(attachment)
  }
}

function listen(): void {
  if (isolation.listens) return
  isolation.listens = true
  onWorkerStarted((worker) => {
    const { workers } = isolation
    if (workers === undefined || threadMemories.isStartingSupervisor || worker === threadMemories.supervisor)
      return
    workers.add(worker)
    worker.once('exit', () => workers.delete(worker))
  })
}

function ended(workers: ReadonlySet<Worker>, patienceMs: number): Promise<boolean> {
  return eventually(() => workers.size === 0, patienceMs)
}

/** Until the threads of the workers have been reaped: their deaths are heard of one by one. */
function isAlone({ cpu, map }: Attachment, patienceMs: number): Promise<boolean> {
  return eventually(() => {
    for (let index = 0; index < map.frames.slotCount; index++) {
      if (index === MAKER_SLOT || index === SUPERVISOR_SLOT) continue
      const word = cpu.load(map.slotsAt + index * ThreadSlot.sizeof + ThreadSlot.state)
      if (stateOf(word) !== FREE) return false
    }
    return true
  }, patienceMs)
}

async function problemsOf(
  attachment: Attachment,
  workers: ReadonlySet<Worker>,
  patienceMs: number,
  destroyed: boolean,
): Promise<string[]> {
  // Before anybody is ended, and its locks are released.
  const problems = [...waits(attachment), ...holds(attachment)]
  for (const worker of workers) {
    problems.push(`worker ${worker.threadId} has not ended ${patienceMs} ms after the test`)
  }
  await Promise.all([...workers].map((worker) => worker.terminate()))
  if (!(await isAlone(attachment, patienceMs))) problems.push('a thread that has ended still has its slot')
  problems.push(...checkMemory(attachment).problems)
  if (destroyed) problems.push(...objects(attachment))
  return problems
}

function* waits(attachment: Attachment): Generator<string> {
  const { cpu, map, lot } = attachment
  for (let index = 0; index < map.frames.slotCount; index++) {
    const slot = map.slotsAt + index * ThreadSlot.sizeof
    if (stateOf(cpu.load(slot + ThreadSlot.state)) === FREE) continue
    for (const record of lot.recordsOf(slot)) {
      if (cpu.load(record + WaitRecord.state) !== WAITING) continue
      const found = objectAround(attachment, cpu.load(record + WaitRecord.key1))
      const what = found === undefined ? 'a word' : labelAround(attachment, found)
      yield `${attachment.threadName(cpu.load(record + WaitRecord.tid))} still waits for ${what}`
    }
  }
}

function* holds(attachment: Attachment): Generator<string> {
  for (const lock of everyLock(attachment)) {
    for (const { tid } of lock.kind.holders?.(attachment, lock.at) ?? []) {
      yield `${attachment.threadName(tid)} still holds ${labelAround(attachment, lock)}`
    }
  }
}

function* objects(attachment: Attachment): Generator<string> {
  for (const kind of knownKinds()) {
    for (const at of attachment.frames.cellsOf(kind.layout.signature)) {
      yield `${labelAround(attachment, { kind, at })} was not destroyed`
    }
  }
}

async function eventually(isSo: () => boolean, patienceMs: number): Promise<boolean> {
  const end = performance.now() + patienceMs
  while (!isSo()) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  return true
}

function leftBehind(problems: readonly string[]): LeftBehind {
  const message = `isolated(): the test has left something behind: ${problems.join('; ')}`
  return Object.assign(new Error(message), { code: 'ERR_PAGEFRAME_LEFT_BEHIND' as const, problems })
}
