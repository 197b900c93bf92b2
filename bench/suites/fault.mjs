/** What a page fault costs, against this kernel's own; and what mmap and munmap do. */

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
import { runSuite } from '../harness.mjs'
import { native } from '../native.mjs'
import { timed } from '../timed.mjs'

const PAGE = 4096
const PAGES = 1024
const BYTES = PAGES * PAGE
const SMALL = 16 * PAGE
const SAMPLES = 60
const RW = PROT_READ | PROT_WRITE
const ANONYMOUS = MAP_PRIVATE | MAP_ANONYMOUS

const machine = await Machine.boot({ memory: '64MiB' })
const { self } = machine
const { cpu } = attachmentById(machine.memory.memory)
const frames = machine.memory.alloc(BYTES).bytes.byteOffset

/** Samples of the first store to each of PAGES pages; what prepare() maps is unmapped after each. */
function firstStores(prepare) {
  return {
    measure() {
      const samples = []
      for (let s = 0; s < SAMPLES; s++) {
        const at = prepare()
        const start = performance.now()
        for (let page = 0; page < PAGES; page++) self.store32(at + page * PAGE, 1)
        samples.push(((performance.now() - start) * 1e6) / PAGES)
        self.munmap(at, BYTES)
      }
      return samples
    },
  }
}

const zero = {
  name: 'fault-zero',
  unit: 'ns',
  goals: { native: { atMost: 0.5 } },
  contenders: () => ({
    floor: timed(() => {
      for (let page = 0; page < PAGES; page++) cpu.fill(frames + page * PAGE, 0, PAGE)
    }, PAGES),
    ours: firstStores(() => self.mmap(null, BYTES, RW, ANONYMOUS)),
    native: native('fault', 'zero'),
  }),
}

const copy = {
  name: 'fault-copy',
  unit: 'ns',
  contenders() {
    const fd = self.shmOpen('/fault-copy', O_RDWR | O_CREAT)
    self.ftruncate(fd, BYTES)
    const shared = self.mmap(null, BYTES, RW, MAP_SHARED, fd)
    self.fill(shared, 1, BYTES)
    const read = () => {
      const at = self.mmap(null, BYTES, RW, MAP_PRIVATE, fd)
      for (let page = 0; page < PAGES; page++) self.load32(at + page * PAGE)
      return at
    }
    return {
      floor: timed(() => {
        for (let page = 0; page < PAGES; page += 2) {
          cpu.copy(frames + page * PAGE, frames + (page + 1) * PAGE, PAGE)
        }
      }, PAGES / 2),
      ours: firstStores(read),
      native: native('fault', 'copy'),
    }
  },
}

const map = {
  name: 'mmap-munmap',
  unit: 'ns',
  contenders: () => ({
    ours: timed(() => {
      for (let i = 0; i < 100; i++) self.munmap(self.mmap(null, SMALL, RW, ANONYMOUS), SMALL)
    }, 100),
    native: native('fault', 'map'),
  }),
}

try {
  await runSuite('fault', [zero, copy, map])
} finally {
  await machine[Symbol.asyncDispose]()
}
