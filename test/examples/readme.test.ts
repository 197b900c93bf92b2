/** The README's machine, as it stands there, in files of its own: what it says is what happens. */

import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

test(
  "the README's machine shows a page fault, a map and a segmentation fault",
  { timeout: 60_000 },
  async () => {
    const [boot, child] = codeUnder('## And underneath: Linux')
    const folder = mkdtempSync(join(tmpdir(), 'pageframe-readme-'))
    try {
      mkdirSync(join(folder, 'node_modules'))
      symlinkSync(ROOT, join(folder, 'node_modules/pageframe'), 'junction')
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
      writeFileSync(join(folder, 'child.js'), child)
      // Node 20 and 22 know no `await using`.
      writeFileSync(join(folder, 'boot.js'), boot.replace('await using machine', 'const machine'))

      const { code, stdout, stderr } = await run(join(folder, 'boot.js'))

      const levels = ['pgd', 'pud', 'pmd', 'pte'].map(
        (level) => `\n  ${level}  frame \\d+ \\[\\d+\\] -> frame \\d+`,
      )
      const map = '[0-9a-f]+-[0-9a-f]+ rw-s 00000000 00:1b \\d+ +/dev/shm/jobs'
      expect(stdout).toMatch(
        new RegExp(
          `^0x7f[0-9a-f]+${levels.join('')}, writable, accessed, dirty\n  offset 0x0 -> byte 0x[0-9a-f]+ of the memory\n${map}\n`,
        ),
      )
      expect(stdout).toContain('{ code: 42, signal: null }')
      expect(stderr).toMatch(/SegmentationFault: SIGSEGV, SEGV_ACCERR at 0x7f[0-9a-f]+\n/)
      expect(code).toBe(1)
    } finally {
      rmSync(folder, { recursive: true })
    }
  },
)

/** The first two blocks of code behind a heading. */
function codeUnder(heading: string): string[] {
  const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
  const section = readme.slice(readme.indexOf(heading))
  return [...section.matchAll(/^```(?:ts|js)\n(.*?)^```$/gms)].slice(0, 2).map(([, code]) => code)
}

function run(file: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [file], { timeout: 50_000 }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, stdout, stderr })
    })
  })
}
