import { defineConfig } from 'vitest/config'
import { BUNDLED, bundledModels } from './scripts/bundled-models.mjs'
import { TARGET, workerModules } from './scripts/worker-modules.mjs'

const MODELS = 'test/model/**/*.test.ts'

export default defineConfig({
  plugins: [workerModules({ absolute: true })],
  oxc: { target: TARGET },
  test: {
    projects: [
      { extends: true, test: { name: 'all others', include: ['test/**/*.test.ts'], exclude: [MODELS] } },
      // They start no thread and leave nothing behind: one process for many, in which V8 knows the explorer by then.
      {
        extends: true,
        plugins: [bundledModels()],
        test: { name: 'models', include: [MODELS], isolate: false },
      },
    ],
    // Processes, not threads: a test that dies or hangs takes nobody with it, and each has a main thread of its own.
    pool: 'forks',
    maxWorkers: 2,
    // These stop a test that waits for a promise. One that blocks its thread is ended by scripts/test.mjs.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    reporters: ['default', './scripts/running-tests.mjs'],
    // `pageframe` is the built package, as Node loads it: the very module that the workers of a test import.
    server: { deps: { external: [/\/dist\//, BUNDLED] } },
  },
})
