/** waitGraph(): what threads wait for, who holds it, and the circles that never end. */

import { Channel, Mutex, Region, Semaphore, SharedMemory } from 'pageframe'
import { waitGraph, type Texted, type WaitGraph } from 'pageframe/inspect'
import { expect, test } from 'vitest'
import { Actor, eventually, freshName, thrownBy } from '../support.ts'

/** Locks what it holds, says so, and waits for the next when it is told to. */
async function holder(held: Mutex): Promise<Actor> {
  const actor = await Actor.start()
  await actor.run(({ Mutex }, handle) => {
    Mutex.from(handle).lock()
  }, held)
  return actor
}

function waitFor(actor: Actor, lock: Mutex): void {
  actor.begin(({ Mutex }, handle) => Mutex.from(handle).lock(), lock)
}

async function graphWith(waits: number): Promise<WaitGraph & Texted> {
  await eventually(() => waitGraph().waits.length === waits, `${waits} waits`)
  return waitGraph()
}

/** `thread 3: Mutex 'a'`. */
function edges({ waits }: Pick<WaitGraph, 'waits'>): string[] {
  return waits.map(({ thread, lock }) => `${thread.threadId}: ${lock.label}`)
}

test('a wait, what is waited for, and its holder', async () => {
  const name = freshName()
  const lock = new Mutex({ name })
  const owner = await holder(lock)
  const waiter = await Actor.start()
  waitFor(waiter, lock)

  const graph = await graphWith(1)

  const [wait] = graph.waits
  expect(wait.lock).toMatchObject({ kind: 'Mutex', name, label: `Mutex '${name}'` })
  expect(wait.thread.threadId).toBe(waiter.threadId)
  expect(wait.heldBy.map(({ threadId }) => threadId)).toEqual([owner.threadId])
  expect(wait.isAsync).toBe(false)
  expect(wait.forMs).toBeGreaterThanOrEqual(0)
  expect(graph.holds).toContainEqual(
    expect.objectContaining({ lock: wait.lock, thread: wait.heldBy[0], isAsync: false }),
  )
  expect(graph.cycles).toEqual([])
  expect(String(graph)).toMatch(
    new RegExp(
      `^thread ${waiter.threadId} waits for Mutex '${name}' \\(\\d.*\\), held by thread ${owner.threadId}\n$`,
    ),
  )
})

test('nobody waits', () => {
  const memory = new SharedMemory({ size: '4MiB' })

  expect(waitGraph(memory)).toEqual({ threads: [], locks: [], waits: [], holds: [], cycles: [] })
  expect(String(waitGraph(memory))).toBe('nobody waits\n')
  memory.destroy()
})

test('two workers that wait for each other are a certain deadlock', async () => {
  const locks = [new Mutex({ name: freshName() }), new Mutex({ name: freshName() })]
  const actors = await Promise.all(locks.map(holder))
  waitFor(actors[0], locks[1])
  waitFor(actors[1], locks[0])

  const graph = await graphWith(2)

  expect(graph.cycles).toHaveLength(1)
  expect(graph.cycles[0].isCertain).toBe(true)
  expect(edges(graph.cycles[0]).sort()).toEqual(
    [
      `${actors[0].threadId}: Mutex '${locks[1].name}'`,
      `${actors[1].threadId}: Mutex '${locks[0].name}'`,
    ].sort(),
  )
  expect(String(graph)).toContain('deadlock:\n  thread ')
})

test('three in a ring, with one who waits beside it', async () => {
  const locks = Array.from({ length: 3 }, () => new Mutex({ name: freshName() }))
  const actors = await Promise.all(locks.map(holder))
  actors.forEach((actor, index) => {
    waitFor(actor, locks[(index + 1) % 3])
  })
  const beside = await Actor.start()
  waitFor(beside, locks[0])

  const graph = await graphWith(4)

  expect(graph.cycles).toHaveLength(1)
  const { waits } = graph.cycles[0]
  expect(waits).toHaveLength(3)
  expect(waits.map(({ thread }) => thread.threadId)).not.toContain(beside.threadId)
  waits.forEach(({ heldBy }, index) => {
    expect(heldBy).toEqual([waits[(index + 1) % 3].thread])
  })
})

test('what is broken by a death is no cycle any more', async () => {
  const locks = [new Mutex(), new Mutex()]
  const actors = await Promise.all(locks.map(holder))
  waitFor(actors[0], locks[1])
  waitFor(actors[1], locks[0])
  await graphWith(2)

  await actors[1].end()
  await eventually(() => waitGraph().waits.length === 0, 'the end of both waits')

  expect(waitGraph().cycles).toEqual([])
})

test('a task that waits is a wait of its thread; a cycle through it is not certain', async () => {
  const [mine, theirs] = [new Mutex({ name: freshName() }), new Mutex({ name: freshName() })]
  const actor = await holder(theirs)
  const token = await mine.lockAsync()
  waitFor(actor, mine)
  const controller = new AbortController()
  const waiting = theirs.lockAsync({ signal: controller.signal }).catch(() => undefined)

  const graph = await graphWith(2)

  expect(graph.waits.filter(({ isAsync }) => isAsync)).toHaveLength(1)
  expect(graph.cycles.map(({ isCertain }) => isCertain)).toEqual([false])
  expect(String(graph)).toContain(`thread 0 'main' waits asynchronously for Mutex '${theirs.name}'`)
  controller.abort()
  await waiting
  token.unlock()
})

test('two tasks of one thread that queue for one lock are no cycle', async () => {
  const lock = new Mutex()
  const token = await lock.lockAsync()
  const waiting = lock.lockAsync()

  expect(waitGraph().waits).toHaveLength(1)
  expect(waitGraph().cycles).toEqual([])

  token.unlock()
  ;(await waiting).unlock()
})

test('waits for permits and for records have no holder', async () => {
  const [permits, jobs] = [freshName(), freshName()]
  const semaphore = new Semaphore(0, { name: permits })
  const channel = new Channel({ name: jobs, from: 'one', to: 'one' })
  const [a, b] = await Actor.crew(2)
  a.begin(({ Semaphore }, handle) => { Semaphore.from(handle).acquire() }, semaphore) // prettier-ignore
  b.begin(({ Channel }, handle) => Channel.from(handle).receive(), channel)

  const graph = await graphWith(2)

  expect(edges(graph).sort()).toEqual(
    [`${a.threadId}: Semaphore '${permits}'`, `${b.threadId}: Channel '${jobs}'`].sort(),
  )
  expect(graph.waits.flatMap(({ heldBy }) => heldBy)).toEqual([])
})

test('a word of a region is called after it', async () => {
  const name = freshName()
  Region.open(name, 64)
  const actor = await Actor.start()
  actor.begin(({ Region, futex }, region) => futex.wait(Region.open(region).as(Int32Array), 4, 0), name)

  const { waits } = await graphWith(1)

  expect(waits[0].lock).toMatchObject({ kind: 'word', label: `byte 16 of Region '${name}'` })
})

test('a memory is asked for by its SharedMemory, and by nothing else', () => {
  expect(thrownBy(() => waitGraph(new Mutex()))).toMatchObject({
    code: 'ERR_PAGEFRAME_INVALID_ARGUMENT',
    message: 'waitGraph(): memory must be a SharedMemory, not an object',
  })
})
