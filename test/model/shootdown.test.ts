/** Generations and acknowledgements, as they ship, under every interleaving, with a death before every instruction. */

import { describe, test } from 'vitest'
import type { FrameGeometry, Physical } from '../../src/frames/access.ts'
import type { Cpu } from '../../src/host/cpu.ts'
import { awaited, shootFor } from '../../src/paging/batch.ts'
import { Presence, TlbState } from '../../src/paging/presence.ts'
import { PRESENT, pteOf } from '../../src/paging/pte.ts'
import type { Model, Operation, Run, Snapshot } from '../../src/testing/model.ts'
import { DEAD, moveState, RUNNING, ThreadSlot, tidOf } from '../../src/threads/slot.ts'
import { PAGE_WORDS } from '../../src/words/constants.ts'
import { CONTENT, Translator } from './paging-models.ts'
import { finds, holds } from './verdicts.ts'

/**
 *   process 0, run by thread 0       page 0 lies in frame 1, which says OLD
 *   thread 1                         takes it away, waits, and gives it to somebody else: it says NEW
 */
const processes = { firstAt: ThreadSlot.counters, stride: ThreadSlot.sizeof, count: 1 }
const AT = ThreadSlot.counters
const ENTRY = AT + 8
const REUSED = AT + 9
const BATCH = 3 * ThreadSlot.sizeof
const FRAME = 1
const OLD = 1
const NEW = 2

const framesOf = (cpu: Cpu): Physical => ({ cpu, geometry: { slotsAt: 0 } as FrameGeometry })

interface Variant {
  readonly name: string
  readonly process?: Operation
  readonly shoot?: Operation
  readonly reuse?: Run
  readonly kill?: readonly number[]
  readonly tries?: number
}

/** Two runs, and in the first one two accesses. */
const process =
  (PresenceClass?: new (...args: ConstructorParameters<typeof Presence>) => Presence): Operation =>
  (thread) => {
    const translator = new Translator(thread, AT, ENTRY, PresenceClass)
    translator.access(OLD)
    translator.access(OLD)
    translator.presence.goOffline()
    translator.access(OLD)
    translator.presence.goOffline()
  }

const shoot: Run = ({ cpu }) => {
  cpu.compareExchange(ENTRY, pteOf(FRAME, PRESENT), 0)
  shootFor(framesOf(cpu), processes, BATCH, 0)
}

/** As drain() does: if nobody may translate any more, the frame is somebody else's. */
const reuse: Run = ({ cpu }) => {
  if (cpu.load(REUSED) !== 0 || awaited(framesOf(cpu), processes, BATCH) >= 0) return
  cpu.store(REUSED, 1)
  cpu.store(FRAME * PAGE_WORDS + CONTENT, NEW)
}

function model({ name, kill, tries = 3, ...parts }: Variant): Model {
  const isQuiet = ({ cpu, isDead }: Snapshot) =>
    isDead(0) ||
    cpu.load(AT + TlbState.online) === 0 ||
    cpu.load(AT + TlbState.ack) === cpu.load(AT + TlbState.gen)
  return {
    name,
    words: 2 * PAGE_WORDS,
    slotsAt: 0,
    init: (cpu) => {
      for (const index of [0, 1]) cpu.store(index * ThreadSlot.sizeof, (1 << 3) | RUNNING)
      cpu.store(AT + TlbState.tid, tidOf(0, 1))
      cpu.store(ENTRY, pteOf(FRAME, PRESENT))
      cpu.store(FRAME * PAGE_WORDS + CONTENT, OLD)
    },
    threads: [
      [parts.process ?? process()],
      [
        parts.shoot ?? shoot,
        ...Array.from({ length: tries }, () => ({ run: parts.reuse ?? reuse, when: isQuiet })),
      ],
    ],
    reaper: [
      ({ cpu }, dead) => {
        moveState(cpu, 0, dead, RUNNING, DEAD)
      },
      reuse,
    ],
    ...(kill === undefined ? {} : { kill }),
    final: ({ cpu, assert, isDead }) => {
      if (isDead(1)) return
      assert(cpu.load(REUSED) === 1, 'the frame is never free')
      assert(cpu.load(FRAME * PAGE_WORDS + CONTENT) === NEW, 'a store through an old translation went astray')
    },
    label: (at) => ({ [AT]: 'gen', [AT + 1]: 'ack', [AT + 2]: 'online', [ENTRY]: 'entry' })[at],
  }
}

describe('shootdown', () => {
  test('no access through an old translation finds a frame that is somebody else’s', () => {
    holds(model({ name: 'shootdown' }))
  })

  test('a process that dies anywhere is not waited for', () => {
    holds(model({ name: 'shootdown, kill', kill: [0] }))
  })

  const ASTRAY = /somebody else|astray/

  test('planted: no acknowledgements', () => {
    const atOnce: Run = ({ cpu }) => {
      cpu.store(REUSED, 1)
      cpu.store(FRAME * PAGE_WORDS + CONTENT, NEW)
    }
    const shootAndReuse: Operation = (thread) => {
      shoot(thread)
      atOnce(thread)
    }
    finds(model({ name: 'no acknowledgements', shoot: shootAndReuse }), ASTRAY)
  })

  test('planted: the generation is read before online is stored', () => {
    class ReadsFirst extends Presence {
      override sync(): void {
        const { cpu, at, tlb } = this as unknown as { cpu: Cpu; at: number; tlb: { clear(): void } }
        const now = cpu.load(at + TlbState.gen)
        cpu.store(at + TlbState.online, 1)
        if (now !== this.filled) {
          tlb.clear()
          this.filled = now
        }
        this.seen = now
        cpu.store(at + TlbState.ack, now)
      }
      private filled = 0
    }
    finds(model({ name: 'generation before online', process: process(ReadsFirst) }), ASTRAY)
  })

  test('planted: a thread that is offline goes on with what it translated, as if a run were a macrotask', () => {
    class StaysSeen extends Presence {
      override goOffline(): void {
        const { cpu, at } = this as unknown as { cpu: Cpu; at: number }
        cpu.store(at + TlbState.online, 0)
      }
    }
    finds(model({ name: 'offline, and yet at work', process: process(StaysSeen) }), ASTRAY)
  })

  test('planted: a translation is kept in a variable over an acknowledgement', () => {
    const keeps: Operation = (thread) => {
      const translator = new Translator(thread, AT, ENTRY)
      const base = translator.translate()
      if (base === 0) return
      if (thread.cpu.plainLoad(AT) !== translator.presence.seen) translator.presence.sync()
      translator.touch(base, OLD)
      translator.presence.goOffline()
    }
    finds(model({ name: 'kept in a variable', process: keeps }), ASTRAY)
  })

  test('planted: the TLB outlives the generation', () => {
    class NeverClears extends Presence {
      constructor(...[cpu, at, tlb, whenRunEnds]: ConstructorParameters<typeof Presence>) {
        super(cpu, at, Object.assign(tlb, { clear: () => undefined }), whenRunEnds)
      }
    }
    finds(model({ name: 'the TLB is not cleared', process: process(NeverClears) }), ASTRAY)
  })

  test('planted: the shooter counts before it changes the entry', () => {
    const tooEarly: Operation = ({ cpu }) => {
      shootFor(framesOf(cpu), processes, BATCH, 0)
      cpu.compareExchange(ENTRY, pteOf(FRAME, PRESENT), 0)
    }
    finds(model({ name: 'generation before entry', shoot: tooEarly }), ASTRAY)
  })

  test('planted: the shooter looks who is online before it counts', () => {
    const looksFirst: Operation = ({ cpu }) => {
      cpu.compareExchange(ENTRY, pteOf(FRAME, PRESENT), 0)
      const isAway = cpu.load(AT + TlbState.online) === 0
      shootFor(framesOf(cpu), processes, BATCH, 0)
      if (!isAway) return
      cpu.store(REUSED, 1)
      cpu.store(FRAME * PAGE_WORDS + CONTENT, NEW)
    }
    finds(model({ name: 'online before generation', shoot: looksFirst }), ASTRAY)
  })
})
