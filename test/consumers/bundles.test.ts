/** Programs that a bundler made: one file each, the supervisor and the instructions inside. */

import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Format } from 'esbuild'
import { afterEach, expect, test } from 'vitest'
import { resultIn, run, temporaryFolder, useProject, type Ended } from './project.ts'

const project = useProject()

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

test.each([
  { format: 'esm', minify: false },
  { format: 'cjs', minify: true },
] as const)(
  'a bundle ($format, minified: $minify) locks, passes records and notices a death, with no file beside it',
  async ({ format, minify }) => {
    const { folder, warnings } = await bundle(['bundled.mjs', 'bundled-worker.mjs'], format, { minify })

    const result = resultIn(await runIn(folder, 'bundled'))

    expect(result).toEqual({ received: [0, 1, 2], isHeld: true, ownerDied: true, code: 0 })
    expect(warnings).toEqual([])
  },
)

test.each([
  { format: 'esm', from: /from file:\/\/.*refused\.mjs\. All/ },
  { format: 'cjs', from: /from a bundle\. All/ },
] as const)('a bundle ($format) that meets a memory of another version says so', async ({ format, from }) => {
  const { folder } = await bundle(['refused.mjs'], format, {})

  const result = resultIn(await runIn(folder, 'refused'))

  expect(result).toEqual({ code: 'EPROTO', message: expect.stringMatching(from) as unknown })
})

const USED = ['held', 'free again', 'read in place', 'consumed', 'allocated', 'given back']

test('`using` gives back locks, loans, messages and regions, down-levelled for Node 20', async () => {
  const { folder } = await bundle(['using.ts'], 'esm', { target: 'node20.19' })

  const result = resultIn(await runIn(folder, 'using'))

  expect(result).toEqual(USED)
})

test('`using` does so also in two vm contexts of one thread, where Node 20 has no Symbol.dispose', async () => {
  const { folder } = await bundle(['using.ts'], 'cjs', { target: 'node20.19' })

  const { stdout } = await project().node('in-a-vm.mjs', join(folder, 'using.cjs'))

  expect(stdout.trim().split('\n')).toEqual([JSON.stringify(USED), JSON.stringify(USED)])
})

const EXTENSION = { esm: '.mjs', cjs: '.cjs', iife: '.js' }

/** Bundles programs of the project, pageframe included, into a folder that holds nothing else. */
async function bundle(
  programs: readonly string[],
  format: Format,
  options: { readonly minify?: boolean; readonly target?: string },
): Promise<{ folder: string; warnings: string[] }> {
  const folder = temporaryFolder()
  folders.push(folder)
  const { warnings } = await build({
    absWorkingDir: project().folder,
    entryPoints: [...programs],
    bundle: true,
    platform: 'node',
    format,
    outdir: folder,
    outExtension: { '.js': EXTENSION[format] },
    logLevel: 'silent',
    ...options,
  })
  return { folder, warnings: warnings.map((warning) => warning.text) }
}

async function runIn(folder: string, name: string): Promise<Ended> {
  const extension = ['.mjs', '.cjs'].find((each) => existsSync(join(folder, name + each))) ?? '.js'
  return run([process.execPath, join(folder, name + extension)], { cwd: folder })
}
