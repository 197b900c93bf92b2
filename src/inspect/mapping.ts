/**
 * A mapping: one area of a process as /proc/PID/maps shows it.
 *
 *   7f571dff3000-7f571dff5000 rw-s 00001000 00:1b 2                          /dev/shm/jobs (deleted)
 *   start        end          perms offset  device inode                     name, from column 73
 *
 * As in Linux, shared anonymous memory is an unlinked file of an internal tmpfs, `/dev/zero (deleted)`, and POSIX shared
 * memory is a file of another one, mounted at /dev/shm.
 *
 * See: proc_pid_maps(5); show_map_vma() of fs/proc/task_mmu.c.
 */

import { nameOf } from '../ipc/names.ts'
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../space/constants.ts'
import type { AreaInfo } from '../space/areas-of.ts'
import type { Kernel } from '../space/kernel.ts'
import { VM_SHARED } from '../space/vma.ts'
import { ANONYMOUS, NAMED, ShmObject } from '../storage/shm-object.ts'
import { PAGE_SIZE } from '../words/constants.ts'

export interface Mapping {
  /** The first address, and the one behind the last. */
  readonly start: number
  readonly end: number
  /** `rw-s`: the last letter says shared or private. */
  readonly perms: string
  /** Bytes from the beginning of the object to `start`; 0 where there is none. */
  readonly offset: number
  /** Major and minor number, in hexadecimal. */
  readonly device: string
  readonly inode: number
  /** A path, or '' for private memory that has none. */
  readonly name: string
}

/** What a mapping shows of the object behind it. */
export type Backing = Pick<Mapping, 'device' | 'inode' | 'name'>

const NO_BACKING: Backing = { device: '00:00', inode: 0, name: '' }
/** The tmpfs that the kernel mounts for itself, and the one at /dev/shm. */
const INTERNAL = '00:01'
const DEV_SHM = '00:1b'

/** Where the name begins: 25 characters and room for six numbers. */
const NAME_COLUMN = 25 + 6 * 8 - 1

/** An area as maps shows it. */
export function mappingOf(kernel: Kernel, area: AreaInfo): Mapping {
  const { start, end, object, offset } = area
  return {
    start: start * PAGE_SIZE,
    end: end * PAGE_SIZE,
    perms: permissions(area),
    offset: object === 0 ? 0 : offset * PAGE_SIZE,
    ...(object === 0 ? NO_BACKING : backingOf(kernel, object)),
  }
}

/** The line of a mapping, without its line end. */
export function mappingLine({ start, end, perms, offset, device, inode, name }: Mapping): string {
  const numbers = `${hex(start)}-${hex(end)} ${perms} ${hex(offset)} ${device} ${inode} `
  return name === '' ? numbers : `${numbers.padEnd(NAME_COLUMN)} ${name.replaceAll('\n', '\\012')}`
}

function permissions({ prot, flags }: AreaInfo): string {
  const letter = (bit: number, name: string): string => ((prot & bit) === 0 ? '-' : name)
  const sharing = (flags & VM_SHARED) === 0 ? 'p' : 's'
  return letter(PROT_READ, 'r') + letter(PROT_WRITE, 'w') + letter(PROT_EXEC, 'x') + sharing
}

/** What stands behind a mapping of an object. */
export function backingOf(kernel: Kernel, objectAt: number): Backing {
  const { cpu } = kernel.attachment
  const flags = cpu.load(objectAt + ShmObject.flags)
  const inode = cpu.load(objectAt + ShmObject.inode)
  if ((flags & ANONYMOUS) !== 0) return { device: INTERNAL, inode, name: '/dev/zero (deleted)' }
  const name = nameOf(kernel, objectAt) ?? ''
  return { device: DEV_SHM, inode, name: `/dev/shm/${name}${(flags & NAMED) === 0 ? ' (deleted)' : ''}` }
}

/** At least 8 digits. */
function hex(value: number): string {
  return value.toString(16).padStart(8, '0')
}
