/** What the driver says: one line that counts while it runs, failures as they come, and at the end a table by group. */

const VERDICTS = ['passed', 'failed', 'skipped']

export class Progress {
  #out
  #all
  #verbose
  #counts = { passed: 0, failed: 0, skipped: 0 }

  constructor(out, all, verbose) {
    this.#out = out
    this.#all = all
    this.#verbose = verbose
  }

  add({ scenario, layout, verdict, reason, milliseconds }) {
    this.#counts[verdict]++
    this.#clear()
    if (verdict === 'failed')
      console.log(`FAILED   ${scenario.id} (${layout}): ${reason}\n         ${scenario.title}`)
    else if (this.#verbose && verdict === 'skipped')
      console.log(`skipped  ${scenario.id} (${layout}): ${reason}`)
    else if (this.#verbose) console.log(`passed   ${scenario.id} (${layout}), ${milliseconds} ms`)
    this.#show()
  }

  end() {
    this.#clear()
  }

  #show() {
    if (!this.#out.isTTY) return
    const { passed, failed, skipped } = this.#counts
    const line = `${passed + failed + skipped} of ${this.#all}: ${totals(this.#counts)}`
    this.#out.write(line.slice(0, (this.#out.columns ?? 80) - 1))
  }

  #clear() {
    if (this.#out.isTTY) this.#out.write('\r\x1b[K')
  }
}

/** The table by group, the reasons for what was skipped, and the totals in the last line. */
export function report(results) {
  const lines = ['', 'group               passed  failed  skipped']
  for (const [group, counts] of countsBy(results, ({ scenario }) => scenario.group)) {
    const [passed, failed, skipped] = VERDICTS.map((verdict) => String(counts[verdict]))
    lines.push(`${group.padEnd(18)}${passed.padStart(8)}${failed.padStart(8)}${skipped.padStart(9)}`)
  }
  const skipped = results.filter(({ verdict }) => verdict === 'skipped')
  if (skipped.length > 0) {
    lines.push('', 'skipped, because')
    for (const [reason, counts] of countsBy(skipped, ({ reason }) => reason)) {
      lines.push(`${String(counts.skipped).padStart(6)}  ${reason}`)
    }
  }
  lines.push('', totals(countsOf(results)))
  return lines.join('\n')
}

function countsBy(results, keyOf) {
  const groups = new Map()
  for (const result of results) {
    const key = keyOf(result)
    if (!groups.has(key)) groups.set(key, [])
    groups.get(key).push(result)
  }
  return [...groups].map(([key, members]) => [key, countsOf(members)])
}

function countsOf(results) {
  return Object.fromEntries(
    VERDICTS.map((wanted) => [wanted, results.filter(({ verdict }) => verdict === wanted).length]),
  )
}

function totals({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`
}
