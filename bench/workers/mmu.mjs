/** The mmu rows: loads and stores through the MMU of one layout, copies, a window; and the same on plain views. */

import { parentPort, workerData } from 'node:worker_threads'
import {
  Machine,
  MAP_ANONYMOUS,
  MAP_PRIVATE,
  MAP_SHARED,
  O_CREAT,
  O_RDWR,
  PROT_READ,
  PROT_WRITE,
} from 'pageframe/machine'
import { attachmentById } from 'pageframe/internals'
import { answerWith } from '../solo.mjs'
import { PER_SAMPLE, timed } from '../timed.mjs'

const PAGE = 4096
const MIB = 2 ** 20
const WORDS = MIB / 4
const RW = PROT_READ | PROT_WRITE

const machine = await Machine.boot({ memory: '256MiB', layout: workerData.layout })
const { self } = machine

// The floor reads other words of the same memory, by a view of its own.
const plain = machine.memory.alloc(MIB).as(Int32Array)
const near = scattered(MIB)
const far = scattered(64 * MIB)
const farPlain = machine.memory.alloc(64 * MIB).as(Int32Array)
const order = shuffled(WORDS).subarray(0, PER_SAMPLE)
const farOrder = shuffled(64 * WORDS).subarray(0, PER_SAMPLE)

/** Words of the next sample: a thousand after another, round and round. */
let next = 0
function advance() {
  next = next + 2 * PER_SAMPLE > WORDS ? 0 : next + PER_SAMPLE
  return next
}

const loads = {
  'load floor': timed(() => {
    let sum = 0
    const first = advance()
    for (let i = first; i < first + PER_SAMPLE; i++) sum = (sum + plain[i]) | 0
    return sum
  }),
  'load ours': timed(() => {
    let sum = 0
    const first = near + advance() * 4
    for (let at = first; at < first + PER_SAMPLE * 4; at += 4) sum = (sum + self.load32(at)) | 0
    return sum
  }),
  'store floor': timed(() => {
    const first = advance()
    for (let i = first; i < first + PER_SAMPLE; i++) plain[i] = i
  }),
  'store ours': timed(() => {
    const first = near + advance() * 4
    for (let at = first, i = 0; i < PER_SAMPLE; at += 4, i++) self.store32(at, i)
  }),
  'random floor': timed(() => {
    let sum = 0
    for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + plain[order[i]]) | 0
    return sum
  }),
  'random ours': timed(() => {
    let sum = 0
    for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + self.load32(near + order[i] * 4)) | 0
    return sum
  }),
  'far floor': timed(() => {
    let sum = 0
    for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + farPlain[farOrder[i]]) | 0
    return sum
  }),
  'far ours': timed(() => {
    let sum = 0
    for (let i = 0; i < PER_SAMPLE; i++) sum = (sum + self.load32(far + farOrder[i] * 4)) | 0
    return sum
  }),
}

const { cpu } = attachmentById(machine.memory.memory)
const target = scattered(MIB)
const contiguous = machine.memory.alloc(2 * MIB).bytes.byteOffset

const copies = {
  'copy floor': timed(() => cpu.copy(contiguous + MIB, contiguous, MIB), 1),
  'copy ours': timed(() => self.copy(target, near, MIB), 1),
}

const view = windowOf(MIB)
const windows = {
  'window floor': timed(() => {
    let sum = 0
    const first = advance()
    for (let i = first; i < first + PER_SAMPLE; i++) sum = (sum + plain[i]) | 0
    return sum
  }),
  'window ours': timed(() => {
    let sum = 0
    const first = advance()
    for (let i = first; i < first + PER_SAMPLE; i++) sum = (sum + view[i]) | 0
    return sum
  }),
}

answerWith(parentPort, { ...loads, ...copies, ...windows })

/** Private memory whose frames lie in no order: its pages are touched in none. */
function scattered(bytes) {
  const at = self.mmap(null, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS)
  for (const page of shuffled(bytes / PAGE)) self.store32(at + page * PAGE, page)
  return at
}

/** Shared memory in one piece, through a window. */
function windowOf(bytes) {
  const fd = self.shmOpen('/window', O_RDWR | O_CREAT, 0o600, { contiguous: true })
  self.ftruncate(fd, bytes)
  const at = self.mmap(null, bytes, RW, MAP_SHARED, fd)
  return self.window(at, bytes).as(Int32Array)
}

/** 0 ... count - 1 in an order that is the same each time. */
function shuffled(count) {
  const numbers = Int32Array.from({ length: count }, (_, i) => i)
  let state = 1
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    const j = state % (i + 1)
    ;[numbers[i], numbers[j]] = [numbers[j], numbers[i]]
  }
  return numbers
}
