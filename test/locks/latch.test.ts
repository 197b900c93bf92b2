import { Latch, SharedMemory } from 'pageframe'
import { expect, test } from 'vitest'
import { Actor, freshName, pause, rejectionOf, thrownBy } from '../support.ts'

test('it opens when all have counted, and stays open', async () => {
  const latch = new Latch(3)
  const crew = await Actor.crew(3)
  const waiting = latch.waitAsync({ timeoutMs: 8000 })

  for (const actor of crew) {
    expect(latch.tryWait()).toBe(false)
    await actor.run(({ Latch }, handle) => {
      Latch.from(handle).countDown()
    }, latch)
  }

  await waiting
  expect(latch.tryWait()).toBe(true)
  latch.wait()
  await latch.waitAsync()
  expect(latch.count).toBe(0)
})

test('everybody who waits passes: threads that block, and promises', async () => {
  const latch = new Latch(2)
  const crew = await Actor.crew(2)
  for (const actor of crew) {
    actor.begin(({ Latch, tell }, handle) => {
      tell('waits')
      Latch.from(handle).wait({ timeoutMs: 8000 })
      tell('passed')
    }, latch)
    await actor.told('waits')
  }
  const here = [1, 2, 3].map(() => latch.waitAsync({ timeoutMs: 8000 }))

  latch.countDown(2)

  await Promise.all([...here, ...crew.map((actor) => actor.told('passed'))])
})

test('counting goes to 0 and no further', () => {
  const latch = new Latch(3)

  latch.countDown(2)
  expect(latch.count).toBe(1)
  latch.countDown(5)
  expect(latch.count).toBe(0)
  latch.countDown()
  expect(latch.count).toBe(0)
  expect(new Latch(0).tryWait()).toBe(true)
})

test('ETIMEDOUT says how much is left', async () => {
  const name = freshName()
  const latch = Latch.open(name, 4)
  latch.countDown()

  const error = thrownBy(() => { latch.wait({ timeoutMs: 20 }) }) // prettier-ignore

  expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'wait' })
  expect(error.message).toBe(`ETIMEDOUT: Latch '${name}': not open in 20 ms; 3 of 4 are left to count down`)
  const late = await rejectionOf(latch.waitAsync({ timeoutMs: 20 }))
  expect(late).toMatchObject({ code: 'ETIMEDOUT', syscall: 'waitAsync' })
})

test('an aborted wait rejects with the reason', async () => {
  const latch = new Latch(1)
  const controller = new AbortController()
  const waiting = rejectionOf(latch.waitAsync({ signal: controller.signal }))

  controller.abort('enough')

  expect(await waiting).toBe('enough')
})

test('it is found by name, and counts so much only', () => {
  const name = freshName()
  const latch = Latch.open(name, 2)
  latch.countDown()

  expect(Latch.open(name, 2)).toBe(latch)
  const error = thrownBy(() => Latch.open(name, 1))
  expect(error).toMatchObject({ code: 'EEXIST' })
  expect(error.message).toContain(
    `Latch '${name}' exists and was made with 2 to count; this thread asked for 1`,
  )
})

test.each([-1, 0.5, 2 ** 31, '1', null, undefined])('a count of %s is refused', (count) => {
  expect(thrownBy(() => new Latch(count as number)).code).toMatch(/^ERR_PAGEFRAME_/)
})

test.each([0, -1, 0.5, '1', null])('countDown(%s) is refused', (n) => {
  const latch = new Latch(1)

  expect(thrownBy(() => { latch.countDown(n as number) }).code).toMatch(/^ERR_PAGEFRAME_/) // prettier-ignore
  expect(latch.count).toBe(1)
})

test('a waiter that dies keeps nobody else', async () => {
  const latch = new Latch(1)
  const other = await Actor.start()
  other.begin(({ Latch, tell }, handle) => {
    tell('waits')
    Latch.from(handle).wait({ timeoutMs: 8000 })
  }, latch)
  await other.told('waits')
  const waiting = latch.waitAsync({ timeoutMs: 8000 })

  await other.end()
  latch.countDown()

  await waiting
  expect(SharedMemory.default.check().problems).toEqual([])
})

test('who waits for a latch that is destroyed gets ESTALE', async () => {
  const latch = new Latch(1)
  const waiting = rejectionOf(latch.waitAsync({ timeoutMs: 5000 }))
  await pause(10)

  latch.destroy()

  expect((await waiting).code).toBe('ESTALE')
  expect(thrownBy(() => { latch.countDown() }).code).toBe('ESTALE') // prettier-ignore
})
