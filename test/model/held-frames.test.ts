/** Held frames, as they ship, against those who take them away: a process waits at a word, offline, and looks at it again. */

import { describe, test } from 'vitest'
import type { Frames } from '../../src/frames/frames.ts'
import { HeldFrames } from '../../src/paging/held-frames.ts'
import { PinRecord, Pins } from '../../src/paging/pins.ts'
import type { Operation } from '../../src/testing/model.ts'
import { finds, holds } from './frames-models.ts'
import {
  drainAll,
  ENDED,
  LOST,
  mapped,
  nothingIsLeft,
  OLD,
  reuse,
  SOMEBODY,
  takeAway,
} from './limbo-models.ts'
import { CONTENT, pagingWorld, Translator, type PagingWorld } from './paging-models.ts'

const PROCESS = 1
const { space, runCount, runs, sizeof, signature } = PinRecord

interface Bugs {
  readonly waitsBefore?: true
  readonly letsGoEarly?: true
}

/** What HeldFrames asks of an MMU. Word 0: the page is gone. */
function mmuOf(translator: Translator, { waitsBefore }: Bugs) {
  return {
    wordOf: () => {
      const base = translator.translate()
      if (waitsBefore === true) translator.presence.goOffline()
      return base === 0 ? 0 : base + CONTENT
    },
  }
}

describe('held frames', () => {
  const wait =
    (world: PagingWorld, bugs: Bugs = {}): Operation =>
    (thread) => {
      const translator = new Translator(thread, world.at(PROCESS), world.entryAt(PROCESS))
      const held = new HeldFrames(world.frames(thread), mmuOf(translator, bugs), world.at(PROCESS))
      held.prepare()
      const word = held.hold(0, 0, 'write')
      if (word !== 0) {
        if (bugs.letsGoEarly === true) held.release(0)
        translator.presence.goOffline()
        translator.touch(word - CONTENT, OLD)
        held.release(0)
      }
      translator.presence.goOffline()
      thread.cpu.store(world.progressAt, ENDED)
    }

  const takeHeld =
    (world: PagingWorld): Operation =>
    (thread) => {
      const frames = world.frames(thread)
      const limbo = world.limbo(frames)
      takeAway(world, thread, limbo, PROCESS)
      const isPending = limbo.drain(true) > 0
      if (!isPending) reuse(world, frames)
      thread.awaitChange(world.progressAt, 0)
      if (!isPending) return
      drainAll(world, thread, limbo)
      reuse(world, frames)
    }

  const shape = (world: PagingWorld, bugs: Bugs = {}) => ({
    world,
    prepare: mapped(world, PROCESS),
    threads: [[takeHeld(world)], [wait(world, bugs)]],
  })

  test('a frame at whose word somebody waits stays what it is; when he does no more, it is free', () => {
    const world = pagingWorld(2, 4, { pins: true })
    holds({
      name: 'held against drain',
      ...shape(world),
      bounds: { preemptions: 3 },
      final: nothingIsLeft(world),
    })
  })

  test('who waits is killed anywhere: the frame is held until his worker has exited, 1 preemption', () => {
    const world = pagingWorld(2, 4, { pins: true })
    holds({
      name: 'held, kill the waiter',
      ...shape(world),
      kill: [1],
      bounds: { preemptions: 1 },
      repair: (frames: Frames, dead: number) => {
        world.repair(frames, dead)
        new Pins(frames).releaseAll(world.at(PROCESS))
        frames.cpu.store(world.progressAt, ENDED)
      },
      final: nothingIsLeft(world),
    })
  })

  test('planted: it may have waited between translating and holding', () => {
    const world = pagingWorld(2, 4, { pins: true })
    finds({ name: 'held too late', ...shape(world, { waitsBefore: true }) }, SOMEBODY)
  })

  test('planted: it lets go before it looks at the word again', () => {
    const world = pagingWorld(2, 4, { pins: true })
    finds({ name: 'held not long enough', ...shape(world, { letsGoEarly: true }) }, SOMEBODY)
  })

  test('planted: the record is not published', () => {
    const world = pagingWorld(2, 4, { pins: true })
    const silent: Operation = (thread) => {
      const translator = new Translator(thread, world.at(PROCESS), world.entryAt(PROCESS))
      const frames = world.frames(thread)
      const record = frames.allocCell(signature, sizeof)
      thread.cpu.plainStore(record + space, world.at(PROCESS))
      thread.cpu.plainStore(record + runCount, 1)
      const word = translator.translate()
      if (word !== 0) {
        thread.cpu.store(record + runs, word / 1024)
        translator.presence.goOffline()
        translator.touch(word, OLD)
      }
      frames.freeCell(record)
      translator.presence.goOffline()
      thread.cpu.store(world.progressAt, ENDED)
    }
    const threads = [[takeHeld(world)], [silent]]
    finds(
      { name: 'held in secret', ...shape(world), threads },
      new RegExp(`${SOMEBODY.source}|${LOST.source}`),
    )
  })
})
