/**
 * A vitest reporter for scripts/test.mjs: keeps the list of test files that have begun and not ended in the file that
 * PAGEFRAME_RUNNING_TESTS names. It runs in vitest's own process, so the list is right even when a test hangs.
 */

import { writeFileSync } from 'node:fs'

const file = process.env.PAGEFRAME_RUNNING_TESTS

export default class RunningTests {
  #running = new Set()

  onTestModuleQueued(module) {
    this.#running.add(module.relativeModuleId)
    this.#write()
  }

  onTestModuleEnd(module) {
    this.#running.delete(module.relativeModuleId)
    this.#write()
  }

  #write() {
    if (file !== undefined) writeFileSync(file, [...this.#running].join('\n'))
  }
}
