/**
 * The permanent stress test of the shootdown: real threads, the window between translation and access stretched, and wrong
 * variants that are required to fail. If one of them passes, this test sees nothing, and its silence about the right one
 * means nothing either.
 */

import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { beforeAll, expect, test } from 'vitest'
import { Frame, kindOf, OWNED, SLAB } from '../../src/frames/frame.ts'
import { Frames } from '../../src/frames/frames.ts'
import { framesArea } from '../../src/frames/geometry.ts'
import { visitChunk } from '../../src/frames/truth.ts'
import { frameAt } from '../../src/frames/zone.ts'
import { compileCpu, wasmCpu } from '../../src/host/cpu.ts'
import { LimboBatch } from '../../src/paging/batch.ts'
import { Limbo } from '../../src/paging/limbo.ts'
import { repairLinks } from '../../src/paging/link.ts'
import { TlbState } from '../../src/paging/presence.ts'
import { processAt, type ProcessTable } from '../../src/paging/processes.ts'
import { CLAIMED, claimSlot, DEAD, FREE, moveState, REAPING, RUNNING, SLOT_COUNT, ThreadSlot } from '../../src/threads/slot.ts' // prettier-ignore
import { PAGE_SIZE, PAGE_WORDS, WASM_PAGE_SIZE } from '../../src/words/constants.ts'
import { liveThread } from '../frames/fixtures/live-thread.ts'
import type { ShootdownData, ShootdownDone } from './fixtures/shootdown.ts'
import type { Variant } from './fixtures/wrong.ts'

/** So small that frames come back soon. */
const MEMORY_PAGES = 256
const PROCESSES = 2
const SLOT_WORDS = 2 * TlbState.sizeof
const RIGHT_FOR_MS = 3500
/** A wrong variant is done for at its first mistake, which takes a few milliseconds. */
const WRONG_FOR_MS = 10_000

let source = ''

beforeAll(async () => {
  const entry = fileURLToPath(new URL('fixtures/shootdown.ts', import.meta.url))
  const built = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  })
  source = built.outputFiles[0].text
})

function arena(variant: Variant, layout: 'lp64' | 'ilp32') {
  const pages = (MEMORY_PAGES * PAGE_SIZE) / WASM_PAGE_SIZE
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  const cpu = wasmCpu(memory, compileCpu())
  const slotsAt = PAGE_WORDS
  const processes: ProcessTable = {
    firstAt: slotsAt + SLOT_COUNT * ThreadSlot.sizeof,
    stride: SLOT_WORDS,
    count: PROCESSES,
  }
  const stopAt = processes.firstAt + PROCESSES * SLOT_WORDS
  const geometry = framesArea.place(stopAt + 32, MEMORY_PAGES, slotsAt, SLOT_COUNT, false)
  Frames.format(cpu, geometry)
  const enter = () => {
    const tid = claimSlot(cpu, slotsAt, 1, 0)
    moveState(cpu, slotsAt, tid, CLAIMED, RUNNING)
    return tid
  }
  const frames = new Frames(liveThread(cpu, slotsAt, enter()), geometry)
  const limbo = new Limbo(frames, processes)

  let broken = 0
  const start = (role: ShootdownData['role'], index: number) => {
    const tid = enter()
    const wrongAt = stopAt + 1
    const data: ShootdownData = { role, variant, layout, memory, geometry, processes, tid, index, seed: 77 + tid, stopAt, wrongAt } // prettier-ignore
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
      workerData: data,
    })
    const ended = once(worker, 'message').then(([done]) => done as ShootdownDone)
    ended.catch(() => broken++)
    return { worker, tid, index, ended }
  }

  return {
    frames,
    start,
    wrong: () => cpu.load(stopAt + 1),
    isBroken: () => broken > 0,
    stop: () => {
      cpu.store(stopAt, 1)
    },
    reap: (tid: number) => {
      moveState(cpu, slotsAt, tid, RUNNING, DEAD)
      moveState(cpu, slotsAt, tid, DEAD, REAPING)
      frames.takeOver(tid)
      repairLinks(frames, tid)
      for (const at of frames.unfinishedCellsOf(LimboBatch.signature, tid)) limbo.inherit(at)
      frames.repair(tid)
      moveState(cpu, slotsAt, tid, REAPING, FREE)
    },
    /** What the end of the processes does: frees what they own. What is neither free nor a slab then is lost. */
    lost: () => {
      const spaces = new Set(Array.from({ length: PROCESSES }, (_, index) => processAt(processes, index)))
      const each = (kind: number) => {
        const found: number[] = []
        visitChunk(frames, 0, (pfn, flags) => {
          if (kindOf(flags) === kind) found.push(pfn)
        })
        return found
      }
      for (const pfn of each(OWNED)) {
        if (spaces.has(cpu.load(frameAt(geometry, pfn) + Frame.object))) frames.freeFrame(pfn)
      }
      for (let round = 0; round < 3; round++) frames.drainRetired()
      frames.detach()
      const slabs = each(SLAB).length
      return MEMORY_PAGES - geometry.reservedFrames - slabs - frames.statistics().freeFrames
    },
  }
}

/** Until something is wrong, or time is up. */
async function watch(each: ReturnType<typeof arena>, ms: number): Promise<void> {
  const end = performance.now() + ms
  while (performance.now() < end && each.wrong() === 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
}

/** What a worker did; undefined if it broke down, or does not come to an end: a frame in two hands does that, too. */
async function outcome(ended: Promise<ShootdownDone>): Promise<ShootdownDone | undefined> {
  const patience = new Promise<undefined>((resolve) => {
    setTimeout(resolve, 5000, undefined).unref()
  })
  return await Promise.race([ended.catch(() => undefined), patience])
}

async function play(variant: Variant, layout: 'lp64' | 'ilp32', ms: number) {
  const each = arena(variant, layout)
  const workers = [each.start('process', 0), each.start('process', 1), each.start('taker', 0)]
  await watch(each, ms)
  each.stop()
  const done = await Promise.all(workers.map(({ ended }) => outcome(ended)))
  await Promise.all(workers.map(({ worker }) => worker.terminate()))
  const broken = done.filter((one) => one === undefined).length
  const sum = (field: keyof ShootdownDone) => done.reduce((total, one) => total + (one?.[field] ?? 0), 0)
  const reap = () => {
    for (const { tid } of workers) each.reap(tid)
  }
  return { wrong: each.wrong() + broken, accesses: sum('accesses'), taken: sum('taken'), each, reap }
}

test.each(['lp64', 'ilp32'] as const)(
  'as written, no access finds a frame that is somebody else’s, and every frame comes back: %s',
  async (layout) => {
    const { wrong, accesses, taken, each, reap } = await play('as written', layout, RIGHT_FOR_MS)

    console.log(`shootdown, ${layout}: ${accesses} accesses, ${taken} frames taken, ${wrong} wrong`)
    expect(wrong).toBe(0)
    reap()
    expect(accesses).toBeGreaterThan(1000)
    expect(taken).toBeGreaterThan(100)
    expect(each.lost()).toBe(0)
    expect(each.frames.check()).toEqual([])
  },
)

test.each([
  'no acknowledgements',
  'generation read before online',
  'a run read as a macrotask',
  'the TLB is kept over a generation',
  'a view that pins nothing',
] as const)('required to fail: %s', async (variant) => {
  const began = performance.now()

  const { wrong } = await play(variant, 'ilp32', WRONG_FOR_MS)

  console.log(`shootdown, ${variant}: seen after ${(performance.now() - began).toFixed(0)} ms`)
  expect(wrong).toBeGreaterThan(0)
})

test('takers that are terminated anywhere leave nothing behind, and no access goes astray', async () => {
  const each = arena('as written', 'lp64')
  const workers = [each.start('process', 0), each.start('process', 1)]

  for (let round = 0; round < 12; round++) {
    const taker = each.start('taker', 0)
    await once(taker.worker, 'online')
    await new Promise((resolve) => setTimeout(resolve, 30 + ((round * 7) % 20)))
    await taker.worker.terminate()
    each.reap(taker.tid)
    each.frames.drainRetired()
  }
  each.stop()
  await Promise.all(workers.map(({ ended }) => ended))
  await Promise.all(workers.map(({ worker }) => worker.terminate()))
  for (const { tid } of workers) each.reap(tid)

  expect(each.wrong()).toBe(0)
  expect(each.lost()).toBe(0)
  expect(each.frames.check()).toEqual([])
})
