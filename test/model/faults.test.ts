/** Faults against truncation, as they ship, under every interleaving, with a death of either before every instruction. */

import { describe, test } from 'vitest'
import { isPresent, pfnOf, PRESENT, pteOf, WRITE } from '../../src/paging/pte.ts'
import { AGAIN, BEYOND, DONE } from '../../src/space/outcome.ts'
import type { SpaceParts } from '../../src/space/parts.ts'
import { zeroedPage } from '../../src/space/private-page.ts'
import { VM_SHARED } from '../../src/space/vma.ts'
import type { Operation } from '../../src/testing/model.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import {
  access,
  copyAtOnce,
  mapShared,
  nothingIsLeft,
  objectOf,
  OLD,
  readThenCopy,
  repair,
  shape,
  truncate,
  type Fault,
  type Steps,
} from './fault-models.ts'
import { finds, holds } from './frames-models.ts'
import { CONTENT, pagingWorld, type PagingWorld } from './paging-models.ts'

const SOMEBODY = /somebody else|astray|lost/

describe('mapping an object page', () => {
  test('no access finds a page that was cut off, and nothing behind the end stays mapped, 4 preemptions', () => {
    holds({
      name: 'fault: object page against truncation',
      ...shape(VM_SHARED, mapShared),
      bounds: { preemptions: 4 },
    })
  })

  test('the process is killed anywhere, 1 preemption', () => {
    holds({
      name: 'fault: object page, kill the process',
      ...shape(VM_SHARED, mapShared),
      kill: [0],
      bounds: { preemptions: 1 },
    })
  })

  test('who truncates is killed anywhere, 1 preemption', () => {
    holds({
      name: 'fault: object page, kill the truncation',
      ...shape(VM_SHARED, mapShared),
      kill: [1],
      bounds: { preemptions: 1 },
    })
  })

  test('planted: the sequence is not looked at again', () => {
    const trusting: Fault = (space, area, at, pte) => {
      const objects = Object.assign(Object.create(space.objects) as object, { sequence: () => 0 })
      return mapShared(Object.assign(Object.create(space) as SpaceParts, { objects }), area, at, pte)
    }
    finds(
      { name: 'no second look at the sequence', ...shape(VM_SHARED, trusting), bounds: { preemptions: 3 } },
      SOMEBODY,
    )
  })

  test('planted: the sequence is looked at before the entry is stored', () => {
    const early: Fault = ({ cpu, objects, frames }, area, at, pte) => {
      if (pte !== 0) return DONE
      frames.enterKernel()
      const sequence = objects.sequence(area.object)
      let result: number = BEYOND
      if (objects.pages(area.object) > 0) {
        const pfn = objects.pageAt(area.object, 0, true)
        result = objects.sequence(area.object) === sequence ? DONE : AGAIN
        if (result === DONE) cpu.compareExchange(at, 0, pteOf(pfn, PRESENT | WRITE))
      }
      frames.leaveKernel()
      return result
    }
    finds({ name: 'sequence before entry', ...shape(VM_SHARED, early), bounds: { preemptions: 3 } }, SOMEBODY)
  })

  test('planted: the truncation unmaps before it says that the object is shorter', () => {
    finds({ name: 'unmap before sequence', ...shape(VM_SHARED, mapShared, { unmapsFirst: true }) }, SOMEBODY)
  })

  test('planted: the truncation takes the object’s frame for a private one', () => {
    const takes: Steps['unmap'] = (kernel, world, volley) => {
      const entry = kernel.attachment.cpu.load(world.entryAt(0))
      if (isPresent(entry)) volley.take(world.entryAt(0), entry)
    }
    finds(
      { name: 'a shared frame is taken twice', ...shape(VM_SHARED, mapShared, { unmap: takes }) },
      /lost|error|endless|somebody/,
    )
  })
})

describe('private pages', () => {
  test('a copy of an object page is cut off with it, 3 preemptions', () => {
    holds({
      name: 'fault: private copy against truncation',
      ...shape(0, copyAtOnce),
      bounds: { preemptions: 3 },
    })
  })

  test('either is killed anywhere, 1 preemption', () => {
    holds({
      name: 'fault: private copy, kill',
      ...shape(0, copyAtOnce),
      kill: [0, 1],
      bounds: { preemptions: 1 },
    })
  })

  test('a copy takes the place of the object page that was mapped to be read; either is killed, 1 preemption', () => {
    const threads = (world: PagingWorld) => [[access(world, 0, readThenCopy, 1)], [truncate(world)]]
    const base = shape(0, readThenCopy)
    holds({
      name: 'fault: copy on write against truncation, kill',
      ...base,
      threads: threads(base.world),
      kill: [0, 1],
      bounds: { preemptions: 1 },
    })
  })

  test('a zeroed page: killed anywhere, its frame is free or the space’s', () => {
    const world = pagingWorld(2, 4)
    const anonymous: Fault = (space, area, at, pte) => {
      if (pte !== 0) return DONE
      const result = zeroedPage(space, area, 0, at, 0)
      if (result === DONE) space.cpu.store(pfnOf(space.cpu.load(at)) * PAGE_WORDS + CONTENT, OLD)
      return result
    }
    holds({
      name: 'fault: zeroed page, kill',
      world,
      prepare: (frames) => {
        world.populate(frames)
        frames.cpu.store(objectOf(world).pages, 1)
      },
      threads: [[access(world, 0, anonymous)], []],
      kill: [0],
      repair: repair(world),
      final: nothingIsLeft(world),
    })
  })

  test('planted: a copy is left where the object has ended meanwhile', () => {
    const trusting: Fault = (space, area, at, pte) => {
      const objects = Object.assign(Object.create(space.objects) as object, { sequence: () => 0 })
      return copyAtOnce(Object.assign(Object.create(space) as SpaceParts, { objects }), area, at, pte)
    }
    finds({ name: 'copy without a second look', ...shape(0, trusting), bounds: { preemptions: 3 } }, SOMEBODY)
  })

  test('planted: the frame is owned before it is linked', () => {
    const ownsFirst: Fault = ({ cpu, frames, at: spaceAt }, _area, at, pte) => {
      if (pte !== 0) return DONE
      const pfn = frames.allocFrame(true)
      frames.own(pfn, spaceAt)
      cpu.store(pfn * PAGE_WORDS + CONTENT, OLD)
      if (cpu.compareExchange(at, 0, pteOf(pfn, PRESENT)) !== 0) return AGAIN
      return DONE
    }
    const base = shape(0, ownsFirst)
    finds(
      {
        name: 'owned, and another was faster',
        ...base,
        world: base.world,
        threads: [base.threads[0], [occupy(base.world)]],
      },
      /lost/,
    )
  })
})

/** Somebody else's change of the entry, at any moment: what a compareExchange loses to. */
const occupy =
  (world: PagingWorld): Operation =>
  ({ cpu }) => {
    const pfn = pfnOf(cpu.load(objectOf(world).index))
    if (cpu.compareExchange(world.entryAt(0), 0, pteOf(pfn, PRESENT)) === 0) return
  }
