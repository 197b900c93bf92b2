/**
 * What a scenario process can do itself: a call is the types of its arguments, then what it does with a Process. To add a
 * call, add a row here and take its name out of LATER in engine.mjs.
 *
 *   u64   an address or a length: what is negative wraps around, as in C; a number
 *   i64   an offset: a number              int   32 bits, signed: flags, descriptors
 *   u32   32 bits, unsigned: counts        list  pairs of an address and a word
 *   word  any integer: a bigint            text  the bytes of a text argument, as a string
 *
 * An argument that the scenario leaves out is undefined here. What a call returns is `ret` of its outcome, undefined being
 * 0; an object is the outcome as a whole. What it throws is classified by agent.mjs.
 */

import { PAGE } from './constants.mjs'
import { SYNC_CALLS } from './sync-calls.mjs'

const ADDRESS_AND_LENGTH = { addr: 'u64', len: 'u64' }
const FNV_OFFSET = 2166136261
const FNV_PRIME = 16777619
const HIDDEN = 4

export const CALLS = {
  load: [{ addr: 'u64', n: 'int' }, (self, { addr, n = 4 }) => ({ ret: 0n, value: LOAD[n](self, addr) })],
  store: [
    { addr: 'u64', value: 'word', n: 'int' },
    (self, { addr, value, n = 4 }) => STORE[n](self, addr, value),
  ],
  load_bytes: [
    ADDRESS_AND_LENGTH,
    (self, { addr, len = 1 }) => {
      const bytes = Uint8Array.from({ length: len }, (_, i) => self.load8(addr + i))
      return { ret: BigInt(len), bytes: Buffer.from(bytes).toString('hex') }
    },
  ],
  store_bytes: [
    { addr: 'u64', bytes: 'bytes' },
    (self, { addr, bytes }) => {
      bytes.forEach((byte, i) => self.store8(addr + i, byte))
      return bytes.length
    },
  ],
  fill: [
    { ...ADDRESS_AND_LENGTH, byte: 'int' },
    (self, { addr, len = PAGE, byte = 0 }) => {
      for (let i = 0; i < len; i++) self.store8(addr + i, byte & 0xff)
    },
  ],
  check: [
    { ...ADDRESS_AND_LENGTH, byte: 'int' },
    (self, { addr, len = PAGE, byte = 0 }) => {
      let different = 0
      for (let i = 0; i < len; i++) if (self.load8(addr + i) !== (byte & 0xff)) different++
      return different
    },
  ],
  atomic_add: [
    { addr: 'u64', value: 'word' },
    (self, { addr, value = 1n }) => self.add32(addr, Number(BigInt.asIntN(32, value))) >>> 0,
  ],
  touch: [
    { addr: 'u64', pages: 'int', write: 'int', byte: 'int' },
    (self, { addr, pages = 1, write = 0, byte = 0x74 }) => {
      const before = faultsOf(self)
      for (let i = 0; i < pages; i++) {
        if (write) self.store8(addr + i * PAGE, byte)
        else self.load8(addr + i * PAGE)
      }
      return faultsOf(self) - before
    },
  ],
  digest: [{ addr: 'u64', pages: 'int' }, digest],
  frame: [{ addr: 'u64' }, (self, { addr }) => frameBehind(self.explain(addr))],
  mmap: [
    { addr: 'u64', len: 'u64', prot: 'int', flags: 'int', fd: 'int', off: 'i64' },
    (self, { addr = 0, len = 0, prot = 0, flags = 0, fd = -1, off = 0 }) =>
      self.mmap(addr, len, prot, flags, fd, off),
  ],
  munmap: [ADDRESS_AND_LENGTH, (self, { addr = 0, len = 0 }) => self.munmap(addr, len)],
  mprotect: [
    { ...ADDRESS_AND_LENGTH, prot: 'int' },
    (self, { addr = 0, len = 0, prot = 0 }) => self.mprotect(addr, len, prot),
  ],
  shm_open: [
    { name: 'text', oflag: 'int', mode: 'int' },
    (self, { name, oflag = 0, mode = 0o600 }) => self.shmOpen(name, oflag, mode),
  ],
  shm_unlink: [{ name: 'text' }, (self, { name }) => self.shmUnlink(name)],
  ftruncate: [{ fd: 'int', len: 'i64' }, (self, { fd = -1, len = 0 }) => self.ftruncate(fd, len)],
  fstat: [
    { fd: 'int' },
    (self, { fd = -1 }) => {
      const { size, mode, nlink, uid, gid } = self.fstat(fd)
      return { ret: 0n, out: { size, mode: mode & 0o7777, nlink, uid, gid } }
    },
  ],
  close: [{ fd: 'int' }, (self, { fd = -1 }) => self.close(fd)],
  dup: [{ fd: 'int' }, (self, { fd = -1 }) => self.dup(fd)],
  // A promise, and no blocked thread: a thread that blocks outside the library is one that shooters must wait for.
  sleep: [{ ms: 'int' }, (_self, { ms = 0 }) => new Promise((resolve) => setTimeout(resolve, ms))],
  exit: [{ code: 'int' }, (self, { code = 0 }) => self.exit(code)],
  ...SYNC_CALLS,
}

const LOAD = {
  1: (self, addr) => BigInt(self.load8(addr)),
  2: (self, addr) => BigInt(self.load16(addr)),
  4: (self, addr) => BigInt(self.load32(addr) >>> 0),
  8: (self, addr) => BigInt.asUintN(64, BigInt(self.load64(addr))),
}

const STORE = {
  1: (self, addr, value) => self.store8(addr, Number(BigInt.asUintN(8, value))),
  2: (self, addr, value) => self.store16(addr, Number(BigInt.asUintN(16, value))),
  4: (self, addr, value) => self.store32(addr, Number(BigInt.asIntN(32, value))),
  8: (self, addr, value) => self.store64(addr, BigInt.asUintN(64, value)),
}

function faultsOf(self) {
  const { minor, major } = self.faults
  return minor + major
}

/** Of a page whose area is PROT_NONE, too: there the entry is a marker that keeps the frame (paging/pte.ts). */
function frameBehind({ frame, steps }) {
  const last = steps.at(-1)
  const isHidden = last?.level === 'pte' && (last.entry & 0xff) === HIDDEN
  return frame ?? (isHidden ? last.entry >>> 8 : 0)
}

/** A page: FNV-1a of its bytes, or the fault that reading it gives. */
function digest(self, { addr, pages = 1 }) {
  const bytes = new Uint8Array(PAGE)
  const digests = Array.from({ length: pages }, (_, page) => {
    try {
      self.read(addr + page * PAGE, bytes)
      return fnv(bytes)
    } catch (error) {
      if (error?.signal === undefined) throw error
      return `${error.signal}_${error.code === 'SEGV_MAPERR' ? 1 : 2}`
    }
  })
  return { ret: 0n, digest: digests }
}

export function fnv(bytes) {
  let hash = FNV_OFFSET
  for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME)
  return (hash >>> 0).toString(16).padStart(8, '0')
}
