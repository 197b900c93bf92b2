/** What npm would publish: what is in it, and that it can be required, typed and run. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { transform } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { ROOT, useProject } from './project.ts'

const project = useProject({ links: ['typescript', '@types/node', 'undici-types'] })

describe('the tarball', () => {
  test('holds the built package, its declarations, licence and readme, and nothing else', () => {
    const belongs =
      /^(?:package\.json|LICENSE|README\.md|dist\/(?:[\w-]+\.js|workers\/[\w-]+\.js|types\/.+\.d\.ts))$/

    const paths = project().packed.files.map((file) => file.path)

    expect(paths.filter((path) => !belongs.test(path))).toEqual([])
    expect(paths).toEqual(expect.arrayContaining(['package.json', 'LICENSE', 'dist/index.js', 'dist/cli.js']))
  })

  test('has every file that package.json names', () => {
    const { bin, exports } = manifest()
    const targets = [...Object.values(exports), ...Object.values(bin)].flatMap((target) =>
      typeof target === 'string' ? [target] : Object.values(target),
    )

    const packed = new Set(project().packed.files.map((file) => file.path))

    expect(targets.filter((target) => !packed.has(target.replace(/^\.\//, '')))).toEqual([])
  })

  test('has declarations for every entry point, constants that stay constants, and no top-level await', async () => {
    const { exports } = manifest()
    const entries = Object.entries(exports).filter(([name]) => name !== './package.json')
    expect(entries.filter(([, target]) => typeof target === 'string' || !('types' in target))).toEqual([])

    const code = installedFiles().filter((file) => file.endsWith('.js'))
    expect(code.length).toBeGreaterThan(10)
    for (const file of code) {
      const content = readFileSync(project().path('node_modules/pageframe', file), 'utf8')
      expect(/^var [\w$]+ = class\b.*/m.exec(content)?.[0], file).toBeUndefined()
      // What `pageframe locks` loads before a program, which has to wait for it.
      if (/locks-hook|main-thread/.test(file)) continue
      // CommonJS cannot have it, so esbuild refuses it, by name.
      await transform(content, { format: 'cjs', logLevel: 'silent' })
    }
  })

  test('needs no other package, and runs nothing when it is installed', () => {
    const { scripts = {}, ...rest } = manifest()

    const atInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']
    expect(atInstall.filter((name) => name in scripts)).toEqual([])
    expect(rest).not.toHaveProperty('dependencies')
    expect(rest).not.toHaveProperty('optionalDependencies')
    expect(project().packed.files.map((file) => file.path)).not.toContain('binding.gyp')
  })

  test('names no path of the machine that it was built on', () => {
    const here = [ROOT, `${homedir()}/`, 'file:///']

    const naming = installedFiles().filter((file) => {
      const content = readFileSync(project().path('node_modules/pageframe', file), 'utf8')
      return here.some((path) => content.includes(path))
    })

    expect(naming).toEqual([])
  })
})

test('require() works, of every entry and in a CommonJS worker', async () => {
  const ended = await project().node('commonjs.cjs')

  expect(JSON.parse(ended.stdout)).toEqual({
    received: 100,
    isInOrder: true,
    isFree: true,
    isOneModule: true,
  })
  expect(ended.stderr).toBe('')
})

test('workers find each other also when their main thread only imports pageframe', async () => {
  const result = await project().resultOf('only-imports.mjs')

  expect(result).toEqual(['acquired, 0 left', 'acquired, 1 left'])
})

test('the types are understood by NodeNext and Bundler resolution, in modules and CommonJS, with the DOM and without', async () => {
  const program = readFileSync(project().path('types.ts'), 'utf8')
  writeFileSync(project().path('types.mts'), program)
  writeFileSync(project().path('types.cts'), program)

  const nodeNext = await typeCheck({ module: 'NodeNext', lib: ['ES2022'] }, [
    'types.mts',
    'types.cts',
    'using.ts',
  ])
  const bundler = await typeCheck({ module: 'ESNext', moduleResolution: 'Bundler' }, ['types.ts', 'using.ts'])

  expect(nodeNext).toBe('')
  expect(bundler).toBe('')
})

/** What tsc says of some files of the project. An error if it minds anything. */
async function typeCheck(options: object, files: readonly string[]): Promise<string> {
  const strictness = { strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false }
  const compilerOptions = { target: 'ES2022', types: ['node'], noEmit: true, ...strictness, ...options }
  writeFileSync(project().path('tsconfig.json'), JSON.stringify({ compilerOptions, files }))
  const { stdout } = await project().node('node_modules/typescript/bin/tsc')
  return stdout
}

test('npx pageframe --help says what the commands are', async () => {
  const { stdout } = await project().run('npx', '--offline', '--no-install', 'pageframe', '--help')

  expect(stdout).toContain('pageframe')
  expect(stdout).toContain('exchange')
})

interface Manifest {
  readonly bin: Record<string, string>
  readonly exports: Record<string, string | Record<string, string>>
  readonly scripts?: Record<string, string>
}

function manifest(): Manifest {
  return JSON.parse(readFileSync(project().path('node_modules/pageframe/package.json'), 'utf8')) as Manifest
}

function installedFiles(): string[] {
  return readdirSync(project().path('node_modules/pageframe/dist'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.split('node_modules/pageframe/').at(-1) ?? '')
}
