/** Waiting with a limit. */

/** What the promise resolves to, or undefined after so long. The promise goes on. */
export async function within(milliseconds, promise) {
  let timer
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, milliseconds)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}
