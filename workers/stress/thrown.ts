/** What somebody's code threw, in one line: that may be anything. */

export function describeThrown(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : `threw ${show(thrown)}, which is no Error`
  return text.replace(/\s*\n\s*/g, ' ')
}

/** JSON of what has one; a function, a symbol, a circle have none. */
function show(value: unknown): string {
  try {
    const json: unknown = JSON.stringify(value)
    return typeof json === 'string' ? json : String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
