import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { beforeAll, expect, test } from 'vitest'
import { kindOf, OWNED, SLAB } from '../../src/frames/frame.ts'
import { Frames } from '../../src/frames/frames.ts'
import { framesArea } from '../../src/frames/geometry.ts'
import { visitChunk } from '../../src/frames/truth.ts'
import { chunkCount } from '../../src/frames/zone.ts'
import { compileCpu, wasmCpu } from '../../src/host/cpu.ts'
import {
  CLAIMED,
  claimSlot,
  DEAD,
  FREE,
  moveState,
  REAPING,
  RUNNING,
  SLOT_COUNT,
  ThreadSlot,
} from '../../src/threads/slot.ts'
import { PAGE_SIZE, PAGE_WORDS, WASM_PAGE_SIZE } from '../../src/words/constants.ts'
import type { HammerData } from './fixtures/hammer.ts'
import { liveThread } from './fixtures/live-thread.ts'

const PASS_LENGTH = 64
const SIZE_PAGES = 24 * 256 + 16 // 24 MiB and a chunk that is not whole
const SMALL_PAGES = 256

let source = ''

beforeAll(async () => {
  const entry = fileURLToPath(new URL('fixtures/hammer.ts', import.meta.url))
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    logLevel: 'error',
  })
  source = built.outputFiles[0].text
})

/** A memory with a maker, and workers that hammer it. */
function arena(debug: boolean, sizePages = SIZE_PAGES) {
  const pages = (sizePages * PAGE_SIZE) / WASM_PAGE_SIZE
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const cpu = wasmCpu(memory, compileCpu())
  const slotsAt = PAGE_WORDS
  const passAt = slotsAt + SLOT_COUNT * ThreadSlot.sizeof
  const geometry = framesArea.place(passAt + PASS_LENGTH, sizePages, slotsAt, SLOT_COUNT, debug)
  Frames.format(cpu, geometry)
  const enter = () => {
    const tid = claimSlot(cpu, slotsAt, 1, 0)
    moveState(cpu, slotsAt, tid, CLAIMED, RUNNING)
    return tid
  }
  const maker = new Frames(liveThread(cpu, slotsAt, enter()), geometry)

  const start = (seed: number, rounds: number) => {
    const tid = enter()
    const data: HammerData = { memory, geometry, tid, seed, rounds, passAt, passLength: PASS_LENGTH }
    const worker = new Worker(source, { eval: true, workerData: data })
    const ended = once(worker, 'message').then(() => tid)
    ended.catch(() => undefined) // told to whoever awaits it
    return { worker, tid, ended }
  }
  const reap = (tid: number) => {
    moveState(cpu, slotsAt, tid, RUNNING, DEAD)
    moveState(cpu, slotsAt, tid, DEAD, REAPING)
    maker.takeOver(tid)
    maker.repair(tid)
    moveState(cpu, slotsAt, tid, REAPING, FREE)
  }
  /** What the floor of the objects would do: frames that belong to the table, or to a thread that died on the way to it. */
  const freeOwned = () => {
    const owned: number[] = []
    for (let chunk = 0; chunk < chunkCount(geometry); chunk++) {
      visitChunk(maker, chunk, (pfn, flags) => {
        if (kindOf(flags) === OWNED) owned.push(pfn)
      })
    }
    for (const pfn of owned) maker.freeFrame(pfn)
    maker.drainRetired()
    maker.detach()
  }
  return { maker, start, reap, freeOwned }
}

test.each([
  ['as it ships', false, 40_000, SIZE_PAGES],
  ['poisoned, with red zones', true, 8_000, SIZE_PAGES],
  ['in a memory so small that they live on what lies in the magazines of others', false, 40_000, SMALL_PAGES],
] as const)(
  'four workers allocate, pass on and free, %s: no frame has two holders, and all of it merges',
  async (_how, debug, rounds, sizePages) => {
    const { maker, start, freeOwned } = arena(debug, sizePages)
    const before = maker.statistics()

    const workers = [1, 2, 3, 4].map((seed) => start(seed, rounds))
    await Promise.all(workers.map(({ ended }) => ended))
    freeOwned()

    expect(maker.check()).toEqual([])
    expect(slabFrames(maker) + maker.statistics().freeFrames).toBe(before.freeFrames)
  },
)

test.each([
  ['there is room', SIZE_PAGES],
  ['memory is short', SMALL_PAGES],
])(
  'workers that are terminated anywhere leave nothing behind, and do not stop the others: %s',
  async (_what, sizePages) => {
    const { maker, start, reap, freeOwned } = arena(false, sizePages)
    const before = maker.statistics()
    const steady = [start(11, 40_000), start(12, 40_000)]

    for (let round = 0; round < 25; round++) {
      const victim = start(100 + round, Infinity)
      await once(victim.worker, 'online')
      await new Promise((resolve) => setTimeout(resolve, (round * 7) % 20))
      await victim.worker.terminate()
      reap(victim.tid)
    }
    await Promise.all(steady.map(({ ended }) => ended))
    freeOwned()

    expect(maker.check()).toEqual([])
    expect(slabFrames(maker) + maker.statistics().freeFrames).toBe(before.freeFrames)
  },
)

/** Slabs are never given back. */
function slabFrames(frames: Frames): number {
  let count = 0
  for (let chunk = 0; chunk < chunkCount(frames.geometry); chunk++) {
    visitChunk(frames, chunk, (_pfn, flags, length) => {
      if (kindOf(flags) === SLAB) count += length
    })
  }
  return count
}
