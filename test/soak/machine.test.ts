/**
 * A machine under fire: processes that map, fault, protect, unmap, resize, take windows and exchange records are ended at
 * random: by terminate(), which stops them anywhere, inside the kernel too, and by signals.
 *
 *   PAGEFRAME_SOAK_SECONDS   how long for each layout, 10 if not given
 *
 * What must hold at any moment is judged in fixtures/soak-process.mjs. After each death: it was reaped within 5 s, with the
 * right status, and once the others rest machine.check() is clean. At the end the memory is as full as before.
 */

import { Worker } from 'node:worker_threads'
import { Channel, type SharedMemory } from 'pageframe'
import { Machine, type Child } from 'pageframe/machine'
import { expect, test } from 'vitest'
import { eventually, LIMIT_MS, pause } from '../support.ts'

const SECONDS = Number(process.env.PAGEFRAME_SOAK_SECONDS ?? 10)
const ENTRY = new URL('../fixtures/soak-process.mjs', import.meta.url)
const ROLES = 4
const LEAST_DEATHS = 5
/** Slabs keep a page for each kind of small thing that was ever needed. */
const SLACK_BYTES = 24 * 4096

interface Soaker {
  readonly role: number
  readonly child: Child
  readonly worker: Worker
}

const { STOP, PAUSED, TURNS, RESTING, WORDS, NAMES } = (await import(ENTRY.href)) as Record<
  string,
  number
> & {
  readonly NAMES: readonly string[]
}

class Soak {
  readonly problems: string[] = []
  readonly words = new Int32Array(new SharedArrayBuffer(WORDS * 4))
  deaths = 0
  readonly #machine: Machine
  readonly #workers: Worker[]
  readonly #channel: Channel
  #lives = 0

  static async boot(layout: 'lp64' | 'ilp32'): Promise<Soak> {
    const workers: Worker[] = []
    const machine = await Machine.boot({
      memory: '64MiB',
      layout,
      worker: (entry) => {
        const worker = new Worker(entry)
        workers.push(worker)
        return worker
      },
    })
    return new Soak(machine, workers)
  }

  private constructor(machine: Machine, workers: Worker[]) {
    this.#machine = machine
    this.#workers = workers
    this.#channel = new Channel({ memory: machine.memory, capacity: '16KiB', from: 'one', to: 'one' })
  }

  get memory(): SharedMemory {
    return this.#machine.memory
  }

  /** Something is wrong: those who found it go no further. */
  get isStopping(): boolean {
    return this.problems.length > 0
  }

  async start(role: number): Promise<Soaker> {
    const spawning = this.#machine.spawn(ENTRY, {
      name: `role ${role}`,
      args: { role, life: ++this.#lives, words: this.words, channel: this.#channel },
    })
    const worker = this.#workers[this.#workers.length - 1]
    worker.on('message', (problem: string) => this.problems.push(problem))
    worker.on('error', (error) => this.problems.push(`role ${role}: ${String(error)}`))
    return { role, worker, child: await spawning }
  }

  async kill({ child, worker, role }: Soaker): Promise<void> {
    const dice = Math.random()
    if (dice < 0.7) await worker.terminate()
    else child.kill(dice < 0.85 ? 'SIGKILL' : 'SIGTERM')
    const { signal } = await child.waitAsync({ timeoutMs: LIMIT_MS / 2 })
    const wanted = dice < 0.7 ? null : dice < 0.85 ? 'SIGKILL' : 'SIGTERM'
    if (signal !== wanted) this.problems.push(`role ${role} ended by ${signal}, not ${wanted}`)
    this.deaths++
  }

  /** What check() says while everybody rests. */
  async checkAtRest(others: readonly Soaker[]): Promise<void> {
    Atomics.store(this.words, PAUSED, 1)
    for (const { role } of others) {
      await eventually(
        () => this.isStopping || Atomics.load(this.words, RESTING + role) === 1,
        `role ${role} to rest`,
      )
    }
    if (!this.isStopping) this.problems.push(...this.#machine.check().problems)
    Atomics.store(this.words, PAUSED, 0)
    for (const { role } of others) {
      await eventually(
        () => this.isStopping || Atomics.load(this.words, RESTING + role) === 0,
        `role ${role} to go on`,
      )
    }
  }

  /** For so long, or until something is wrong. */
  async go(seconds: number): Promise<void> {
    this.words.fill(0)
    let soakers = await Promise.all(Array.from({ length: ROLES }, (_, role) => this.start(role)))
    const end = performance.now() + seconds * 1000
    while (this.problems.length === 0 && performance.now() < end) {
      await pause(Math.random() * 120)
      const victim = soakers[Math.floor(Math.random() * soakers.length)]
      await this.kill(victim)
      const others = soakers.filter((each) => each !== victim)
      Atomics.store(this.words, RESTING + victim.role, 0)
      await this.checkAtRest(others)
      soakers = [...others, await this.start(victim.role)]
    }
    Atomics.store(this.words, STOP, 1)
    for (const { child, role } of soakers) {
      const { code } = await child.waitAsync({ timeoutMs: LIMIT_MS })
      if (code !== 0) this.problems.push(`role ${role} returned ${code}`)
    }
  }

  /** Nobody is left, no name is: what the memory holds then. */
  async rest(): Promise<number> {
    const { self, memory } = this.#machine
    for (const name of NAMES) {
      try {
        self.shmUnlink(name)
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOENT' })
      }
    }
    let used = Infinity
    for (let same = 0; same < 5; same++) {
      await pause(50)
      // What this thread has retired is freed when it next needs memory.
      self.munmap(self.mmap(null, 4096, 3, 0x8022), 4096)
      self.kernel.attachment.frames.drainRetired()
      if (memory.usedBytes < used) same = 0
      used = Math.min(used, memory.usedBytes)
    }
    this.problems.push(...this.#machine.check().problems)
    return used
  }

  async end(): Promise<void> {
    await this.#machine[Symbol.asyncDispose]()
  }
}

test.each(['lp64', 'ilp32'] as const)(
  'nothing is lost, torn, mixed up or forgotten while processes die (%s)',
  async (layout) => {
    const soak = await Soak.boot(layout)
    await soak.go(1)
    const before = await soak.rest()

    await soak.go(SECONDS)
    const after = await soak.rest()

    expect(soak.problems).toEqual([])
    expect(soak.deaths).toBeGreaterThanOrEqual(LEAST_DEATHS)
    expect(soak.words[TURNS]).toBeGreaterThan(1000)
    expect(after).toBeLessThanOrEqual(before + SLACK_BYTES)
    await soak.end()
    console.log(
      `machine soak, ${layout}: ${soak.words[TURNS]} turns, ${soak.deaths} deaths, ${before} → ${after} bytes`,
    )
  },
  (SECONDS + 60) * 1000,
)
