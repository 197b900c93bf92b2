/** Where in a program something happens: lines of the stack, without the host's and pageframe's own. */

const { process } = globalThis

/** The folder that pageframe's own code lies in. In a bundle that is CommonJS nothing says so. */
const OWN = ((import.meta as { readonly url?: string }).url ?? '').replace(/(?:src\/host\/)?[^/]*$/, '')

/** How deep to look: our own functions stand on top. */
const DEPTH = 24

/** Up to `most` callers of pageframe, the nearest first: `work (lib/jobs.js:10:5)`. Files are relative to where we started. */
export function callers(most: number): string[] {
  const found: string[] = []
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = DEPTH
  const lines = (new Error().stack ?? '').split('\n').slice(1)
  Error.stackTraceLimit = limit
  for (const line of lines) {
    if (found.length === most) break
    if (isForeign(line)) found.push(shortened(line))
  }
  return found
}

function isForeign(line: string): boolean {
  return !line.includes('node:') && (OWN === '' || !line.includes(OWN))
}

function shortened(line: string): string {
  return line
    .replace(/^\s*at /, '')
    .replaceAll('file://', '')
    .replaceAll(`${process.cwd()}/`, '')
}
