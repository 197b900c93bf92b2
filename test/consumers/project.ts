/**
 * A project that installed pageframe as its users do: from the tarball that `npm pack` makes, outside of this checkout.
 *
 *   /tmp/pageframe-consumer-XXXX/
 *     pageframe-0.1.0.tgz        what npm would publish
 *     node_modules/pageframe     installed from it, offline
 *     node_modules/esbuild ...   links to this checkout's tools
 *     *.mjs, *.cjs, *.ts         copies of test/consumers/fixtures
 *
 * What is packed is the dist/ that lies there: `npm test` has seen to it that it is fresh, and nobody builds while tests run.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, vi } from 'vitest'

/** The whole of a test; a child process gets less, so that it is the one that is ended, with its output shown. */
const TEST_LIMIT_MS = 150_000
const CHILD_LIMIT_MS = 100_000

/** This checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** What npm says of a tarball. */
export interface Packed {
  readonly filename: string
  readonly files: readonly { readonly path: string; readonly size: number }[]
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface ProjectOptions {
  /** Packages of this checkout to link: 'esbuild', '@types/node'. */
  readonly links?: readonly string[]
  /** Under which names pageframe is installed; each is a copy of its own. */
  readonly copies?: readonly string[]
}

/** Makes a project before the tests of this file, and removes it after them. */
export function useProject(options: ProjectOptions = {}): () => Project {
  vi.setConfig({ testTimeout: TEST_LIMIT_MS, hookTimeout: TEST_LIMIT_MS })
  let project: Project | undefined

  beforeAll(async () => {
    project = await Project.create(options)
  })
  afterAll(() => {
    project?.remove()
  })

  return () => {
    if (project === undefined) throw new Error('the project is made before the first test, not earlier')
    return project
  }
}

export class Project {
  readonly folder: string
  readonly packed: Packed

  private constructor(folder: string, packed: Packed) {
    this.folder = folder
    this.packed = packed
  }

  static async create({ links = [], copies = ['pageframe'] }: ProjectOptions): Promise<Project> {
    const folder = temporaryFolder()
    const npm = (...args: string[]) => run(['npm', ...args, '--cache', join(folder, '.npm')], { cwd: folder })

    const report = await npm('pack', ROOT, '--ignore-scripts', '--json', '--pack-destination', folder)
    const [packed] = JSON.parse(report.stdout) as [Packed]

    const dependencies = Object.fromEntries(copies.map((name) => [name, `file:${packed.filename}`]))
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }))
    await npm('install', '--offline', '--no-audit', '--no-fund')

    for (const name of links) {
      const link = join(folder, 'node_modules', name)
      mkdirSync(dirname(link), { recursive: true })
      symlinkSync(join(ROOT, 'node_modules', name), link, 'junction')
    }
    cpSync(fileURLToPath(new URL('fixtures', import.meta.url)), folder, { recursive: true })
    return new Project(folder, packed)
  }

  path(...names: string[]): string {
    return join(this.folder, ...names)
  }

  /** Runs a program of the project. An error if it does not end well. */
  run(command: string, ...args: string[]): Promise<Ended> {
    return run([command, ...args], { cwd: this.folder })
  }

  node(...args: string[]): Promise<Ended> {
    return this.run(process.execPath, ...args)
  }

  /** Runs a program whose last line is JSON, and returns that. */
  async resultOf(...args: string[]): Promise<unknown> {
    return resultIn(await this.node(...args))
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A new folder that no node_modules lies above of. */
export function temporaryFolder(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), 'pageframe-consumer-'))
}

/** The JSON of the last line. */
export function resultIn({ stdout, stderr }: Ended): unknown {
  const line = stdout.trimEnd().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(line)
  } catch {
    throw new Error(`the last line is not JSON\n${stdout}\n${stderr}`)
  }
}

/** Runs a command to its end; kills it, with all that it started, when that takes too long. */
export async function run(
  [command, ...args]: [string, ...string[]],
  { cwd }: { readonly cwd: string },
): Promise<Ended> {
  // A process group of its own: one signal reaches all of it.
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: userEnvironment(),
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const watchdog = setTimeout(() => {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, CHILD_LIMIT_MS)

  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(watchdog)
  if (code !== 0) {
    const how = signal === null ? `with ${code}` : `by ${signal}`
    throw new Error(`${command} ${args.join(' ')} ended ${how}\n${stdout}\n${stderr}`)
  }
  return { code, stdout, stderr }
}

/** The environment of somebody who does not run our tests: npm and vitest set variables for their children. */
function userEnvironment(): NodeJS.ProcessEnv {
  const isOurs = (name: string) =>
    /^(?:npm_|vitest|node_options|node_env$|test$|dev$|prod$|mode$)/i.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOurs(name)))
}
