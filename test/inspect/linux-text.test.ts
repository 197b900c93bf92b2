import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { mappingLine, type Mapping } from '../../src/inspect/mapping.ts'
import type { MemoryUse } from '../../src/inspect/memory-use.ts'
import { rollupText, smapText } from '../../src/inspect/smaps-text.ts'

/** What this machine's kernel prints of this process, read once: it goes on changing. */
const read = (file: string): string => readFileSync(`/proc/self/${file}`, 'utf8')

/** Linux 6.6 and later: before, smaps had fewer lines. */
const isToday = existsSync('/proc/self/smaps_rollup') && read('smaps_rollup').includes('KSM:')

describe.skipIf(!isToday)('text and objects say the same as Linux does', () => {
  test('each line of maps, rebuilt from its numbers, is the line', () => {
    const lines = read('maps').trimEnd().split('\n')

    expect(lines.length).toBeGreaterThan(20)
    // An editor would not see it: the line of memory that has no name ends with a space.
    for (const line of lines) expect(mappingLine(mappingIn(line))).toBe(line)
    expect(lines.some((line) => line.endsWith(' '))).toBe(true)
  })

  test('each mapping of smaps, rebuilt from its numbers, is the text', () => {
    const texts = read('smaps')
      .split(/^(?=[0-9a-f]+-)/m)
      .map(withoutWhatDepends)

    for (const text of texts) {
      const counts = countsIn(text)
      const rebuilt = smapText({
        ...mappingIn(text.slice(0, text.indexOf('\n'))),
        ...useIn(counts),
        size: counts.Size,
        kernelPageSize: counts.KernelPageSize,
        mmuPageSize: counts.MMUPageSize,
        vmFlags: /^VmFlags: (.*)$/m.exec(text)?.[1].trim().split(' ') ?? [],
      })
      expect(rebuilt).toBe(text)
    }
  })

  test('smaps_rollup, rebuilt from its numbers, is the text', () => {
    const text = withoutWhatDepends(read('smaps_rollup'))
    const { start, end } = mappingIn(text.slice(0, text.indexOf('\n')))

    expect(rollupText({ start, end, ...useIn(countsIn(text)) })).toBe(text)
  })
})

test('a name that holds a line end stays on its line', () => {
  const name = '/dev/shm/two\nlines'
  const mapping = { start: 4096, end: 8192, perms: 'rw-s', offset: 0, device: '00:1b', inode: 7, name }

  expect(mappingLine(mapping)).toBe(
    `00001000-00002000 rw-s 00000000 00:1b 7${' '.repeat(34)}/dev/shm/two\\012lines`,
  )
})

test('pss is rounded down to kB in the text, and only there', () => {
  const nothing = useIn({})
  const third = { ...nothing, rss: 4096, pss: 4096 / 3, sharedClean: 4096 }

  expect(rollupText({ start: 4096, end: 8192, ...third })).toContain('Pss:                   1 kB\n')
})

function mappingIn(line: string): Mapping {
  const [, start, end, perms, offset, device, inode, name] =
    /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) (\S+) (\d+) *(.*)$/.exec(line) ?? []
  const hex = (digits: string): number => parseInt(digits, 16)
  return { start: hex(start), end: hex(end), perms, offset: hex(offset), device, inode: Number(inode), name }
}

/** `Label: 12 kB` as bytes. */
function countsIn(text: string): Record<string, number> {
  return Object.fromEntries(
    [...text.matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, label, kB]) => [label, Number(kB) * 1024]),
  )
}

function useIn(counts: Record<string, number>): MemoryUse {
  const of = (label: string): number => counts[label] ?? 0
  return {
    rss: of('Rss'),
    pss: of('Pss'),
    pssDirty: of('Pss_Dirty'),
    pssAnon: of('Pss_Anon'),
    pssFile: of('Pss_File'),
    pssShmem: of('Pss_Shmem'),
    sharedClean: of('Shared_Clean'),
    sharedDirty: of('Shared_Dirty'),
    privateClean: of('Private_Clean'),
    privateDirty: of('Private_Dirty'),
    referenced: of('Referenced'),
    anonymous: of('Anonymous'),
    locked: of('Locked'),
  }
}

/** Lines that depend on the processor, and what only huge pages and swap fill. */
function withoutWhatDepends(text: string): string {
  return text
    .replace(/^ProtectionKey:.*\n/gm, '')
    .replace(/^(THPeligible: +)\d+$/gm, '$10')
    .replace(
      /^(KSM|LazyFree|\w*Huge\w*|\w*PmdMapped|\w*_Hugetlb|Swap\w*): +\d+ kB$/gm,
      (line, label: string) => `${`${label}:`.padEnd(16)}${'0'.padStart(8)} kB`.padEnd(line.length),
    )
}
