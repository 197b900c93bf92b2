/** Bugs of makers and reapers, planted into the names: the explorer must find each. */

import { describe, test } from 'vitest'
import type { Attachment } from '../../src/memory/attachment.ts'
import { hasObject, linkLocked, NameEntry, objectEntry, withDirectory } from '../../src/memory/directory.ts'
import type { repairNames } from '../../src/memory/naming.ts'
import { Superblock } from '../../src/memory/superblock.ts'
import type { Operation } from '../../src/testing/model.ts'
import { ANY_OBJECT, MADE, namesModel, OBJECT, opens, type World } from './names-models.ts'
import { finds } from './verdicts.ts'

const one = { name: 'a' }
const killed = { wishes: [[one], [one]], kill: [0], bounds: { preemptions: 2 } }

describe('planted bugs are found', () => {
  test('a reaper that wakes nobody', () => {
    finds(namesModel({ ...killed, name: 'a silent reaper', repair: wakesNobody }), /waits for ever/)
  })

  test('a reaper that leaves the entry in its chain', () => {
    finds(namesModel({ ...killed, name: 'a careless reaper', repair: () => undefined }), /waits for ever/)
  })

  test('a maker that reserves without looking again', () => {
    const model = namesModel({
      name: 'no second look',
      wishes: [[one], [one]],
      operations: (world) => [[opensAtOnce(world)], [opensAtOnce(world)]],
      final: ({ ghost, assert }) => {
        assert(ghost[MADE] === 1, 'one is made')
      },
    })

    finds(model, /one is made/)
  })

  test('makers that do not see that they wait for each other', () => {
    const model = namesModel({
      name: 'a blind circle',
      wishes: [[one], [one]],
      operations: (world) => {
        const blinded = { ...world, attachment: (thread) => blind(world.attachment(thread)) } satisfies World
        return [[opens(blinded, { name: 'a', within: 'b' })], [opens(blinded, { name: 'b', within: 'a' })]]
      },
    })

    finds(model, /waits for ever/)
  })
})

/** repairNames() but for its end. */
const wakesNobody: typeof repairNames = (attachment, dead) => {
  const { frames, cpu, thread } = attachment
  for (const entry of [...frames.unfinishedCellsOf(NameEntry.signature, dead)]) {
    if (hasObject(attachment, entry)) {
      frames.publishCell(entry)
      continue
    }
    if (cpu.load(entry + NameEntry.head) !== 0) cpu.store(cpu.load(entry + NameEntry.head), 0)
    cpu.compareExchange(entry, dead, thread.tid)
    frames.freeCell(entry)
  }
}

function opensAtOnce(world: World): Operation {
  return (thread) => {
    const attachment = world.attachment(thread)
    const { frames } = attachment
    const entry = frames.allocCell(NameEntry.signature, NameEntry.sizeof)
    thread.cpu.store(entry + NameEntry.head, Superblock.heads)
    withDirectory(attachment, () => {
      linkLocked(attachment, entry)
    })
    const at = frames.allocCell(ANY_OBJECT, OBJECT)
    thread.cpu.store(entry + NameEntry.object, at)
    thread.cpu.store(at + objectEntry, entry)
    frames.publishCell(at)
    frames.publishCell(entry)
    thread.ghost((ghost) => ++ghost[MADE])
  }
}

/** One that forgets what its thread is making. */
function blind(attachment: Attachment): Attachment {
  return Object.defineProperty(attachment, 'making', { get: () => 0, set: () => undefined })
}
