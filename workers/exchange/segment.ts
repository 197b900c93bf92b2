/**
 * The segment of an exchange between processes: shared memory in one piece, which each of them maps where it likes.
 *
 *   0          4096                 4096 + capacity
 *   ├──────────┼────────────────────┼────────────────────┼─ ...
 *   │ progress │ ring of consumer 1 │ ring of consumer 2 │          shmOpen(SEGMENT), contiguous
 *   └──────────┴────────────────────┴────────────────────┴─ ...
 *     loadF64    a window in the producer and in consumer 1: the records of their channel lie in it
 *     storeF64
 *
 * Every process has addresses of its own for it, and all of them the same frames.
 */

import { Channel, type Handle } from 'pageframe'
import { MAP_SHARED, O_RDWR, PROT_READ, PROT_WRITE, type Process, type Window } from 'pageframe/machine'

export const SEGMENT = '/exchange'
export const RINGS_AT = 4096

/** Where a process sees the segment, and what it cost to see it. */
export interface Sighting {
  readonly pid: number
  readonly address: number
  /** Of its first page. */
  readonly frame: number
  readonly minorFaults: number
  readonly majorFaults: number
}

export class Segment {
  readonly address: number
  readonly #self: Process
  readonly #capacityBytes: number
  readonly #memory: Handle
  readonly #windows: Window[] = []

  /** Maps it all. `memory`: the machine's, for the channels. */
  constructor(self: Process, memory: Handle, capacityBytes: number) {
    const fd = self.shmOpen(SEGMENT, O_RDWR)
    const { size } = self.fstat(fd)
    this.address = self.mmap(null, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
    self.close(fd) // the mapping stays
    this.#self = self
    this.#capacityBytes = capacityBytes
    this.#memory = memory
  }

  /** The bytes of one consumer's ring, through a window that stays open. */
  ring(consumer: number): Uint8Array<SharedArrayBuffer> {
    const start = this.address + RINGS_AT + consumer * this.#capacityBytes
    const window = this.#self.window(start, this.#capacityBytes)
    this.#windows.push(window)
    return window.bytes
  }

  /** The channel of a round in this ring: whoever comes first makes it. */
  channel(round: number, consumer: number, ring: Uint8Array<SharedArrayBuffer>): Channel {
    return Channel.open(channelName(round, consumer), { memory: this.#memory, ring, from: 'one', to: 'one' })
  }

  /** For those who watch: how much of the input is sent. */
  set progress(bytes: number) {
    this.#self.storeF64(this.address, bytes)
  }

  sighting(): Sighting {
    return sightingOf(this.#self, this.address)
  }
}

export function channelName(round: number, consumer: number): string {
  return `exchange ${round}, consumer ${consumer + 1}`
}

/** What sightingOf() asks of a process. */
type Seeing = Pick<Process, 'pid' | 'faults' | 'load8' | 'explain'>

export function sightingOf(self: Seeing, address: number): Sighting {
  self.load8(address) // whoever has not touched its first page yet
  const { minor, major } = self.faults
  const { frame } = self.explain(address)
  return { pid: self.pid, address, frame: frame ?? 0, minorFaults: minor, majorFaults: major }
}
