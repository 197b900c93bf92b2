/** A channel as WHATWG streams: for pipeTo, pipeThrough, and whatever takes a web stream. */

import type { AsyncOptions } from '../memory/async-waits.ts'

interface Receiving<T> {
  receiveAsync(options: AsyncOptions): Promise<T | undefined>
}

interface Sending<T> {
  sendAsync(value: T, options: AsyncOptions): Promise<void>
  close(): void
}

/** The channel is another's to close, or is no more. */
const KEEPS: ReadonlySet<unknown> = new Set(['EBUSY', 'ESTALE', 'ENOTRECOVERABLE'])

/**
 * Values as they are asked for: nothing is received ahead, so a reader that cancels leaves the rest to the next. Ends when
 * the channel is closed and drained.
 */
export function readableOf<T>(channel: Receiving<T>): ReadableStream<T> {
  const cancelled = new AbortController()
  return new ReadableStream<T>(
    {
      async pull(controller) {
        const value = await channel.receiveAsync({ signal: cancelled.signal })
        if (value === undefined) controller.close()
        else controller.enqueue(value)
      },
      cancel(reason) {
        cancelled.abort(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

/**
 * Takes values as fast as there is room. Closing or aborting it closes the channel, and so does a value that cannot be sent:
 * a web stream takes none after it, and whoever reads would wait for ever.
 */
export function writableOf<T>(channel: Sending<T>): WritableStream<T> {
  const aborted = new AbortController()
  return new WritableStream<T>({
    async write(value) {
      try {
        await channel.sendAsync(value, { signal: aborted.signal })
      } catch (error) {
        if (!KEEPS.has((error as { code?: unknown }).code)) channel.close()
        throw error
      }
    },
    close: () => {
      channel.close()
    },
    abort: (reason) => {
      aborted.abort(reason)
      channel.close()
    },
  })
}
