/**
 * A vitest reporter for scripts/test.mjs: keeps what has become of each test file in the file that
 * PAGEFRAME_RUNNING_TESTS names. It runs in vitest's own process, so it is right even when a test hangs.
 *
 *   { "running": [["test/sync/lot.test.ts", 1760000000000, 1760000004000]], "waiting": ["test/words/bits.test.ts"] }
 *
 *   running   has begun, at that moment of Date.now(), and not ended; and when a test of it last began or ended
 *   waiting   has not begun
 */

import { renameSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'

const file = process.env.PAGEFRAME_RUNNING_TESTS

export default class RunningTests {
  #running = new Map()
  #waiting = new Set()

  onTestRunStart(specifications) {
    for (const { moduleId, project } of specifications)
      this.#waiting.add(relative(project.config.root, moduleId))
    this.#write()
  }

  onTestModuleQueued({ relativeModuleId }) {
    this.#waiting.delete(relativeModuleId)
    this.#heard(relativeModuleId)
  }

  onTestCaseReady({ module }) {
    this.#heard(module.relativeModuleId)
  }

  onTestCaseResult({ module }) {
    this.#heard(module.relativeModuleId)
  }

  onTestModuleEnd({ relativeModuleId }) {
    this.#running.delete(relativeModuleId)
    this.#write()
  }

  #heard(name) {
    const now = Date.now()
    this.#running.set(name, { began: this.#running.get(name)?.began ?? now, heard: now })
    this.#write()
  }

  #write() {
    if (file === undefined) return
    const running = [...this.#running].map(([name, { began, heard }]) => [name, began, heard])
    const text = JSON.stringify({ running, waiting: [...this.#waiting] })
    // Whoever reads it meanwhile finds what was there before.
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
  }
}
