/** revive() changes all of a message, or nothing. */

import { Mutex, revive } from 'pageframe'
import { describe, expect, test } from 'vitest'
import { thrownBy } from '../support.ts'

describe('with one handle that is stale, nothing has changed', () => {
  const good = new Mutex()
  const stale = new Mutex()
  const [goodHandle, staleHandle] = structuredClone([good, stale])
  stale.destroy()

  test.each<[string, unknown]>([
    ['a Map', new Map<unknown, unknown>([['a', 1], ['good', goodHandle], ['bad', staleHandle], ['z', 2]])],
    ['a Map, as a key', new Map<unknown, unknown>([[goodHandle, 1], [staleHandle, 2], ['z', 3]])],
    ['a Set', new Set<unknown>([1, goodHandle, staleHandle, 2])],
    ['an array', [1, goodHandle, staleHandle, 2]],
    ['an object', { a: 1, good: goodHandle, bad: staleHandle, z: 2 }],
    ['all of them', { map: new Map([['good', [goodHandle]]]), set: new Set([goodHandle, { bad: staleHandle }]) }],
  ])('in %s', (_, message) => {
    const before = structuredClone(message)

    expect(thrownBy(() => revive(message))).toMatchObject({ code: 'ESTALE' })

    expect(message).toEqual(before)
    expect(structuredClone(message)).toEqual(before)
  }) // prettier-ignore
})

describe('what is frozen', () => {
  test('stays as it is if there is no handle in it', () => {
    const message = Object.freeze([1, Object.freeze({ two: 2 }), Object.freeze(new Map([['a', 1]]))])

    expect(revive(message)).toBe(message)
  })

  test('may hold what can be changed', () => {
    const lock = new Mutex()
    const message = Object.freeze([[structuredClone(lock)]])

    expect(revive(message)[0][0]).toBe(lock)
  })

  test('and holds a handle itself is refused with a code, and nothing has changed', () => {
    const handle = structuredClone(new Mutex())
    const message = { first: handle, then: Object.freeze([handle]) }

    const error = thrownBy(() => revive(message))

    expect(error).toMatchObject({ name: 'TypeError', code: 'ERR_PAGEFRAME_INVALID_ARGUMENT' })
    expect(error.message).toBe("revive(): '0' holds a handle, and cannot be changed: is the message frozen?")
    expect(message.first).toBe(handle)
  })
})
