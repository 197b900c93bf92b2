/** comlink, as producer and consumer of an exchange use it: calls of a consumer through its port. It may not be installed. */

import type { MessagePort } from 'node:worker_threads'
import type * as Comlink from 'comlink'

/** Where its modules lie: found by the main thread, next to the package or to whoever runs it. */
export interface ComlinkUrls {
  main: string
  nodeAdapter: string
}

/** What a consumer serves. */
export interface RemoteConsumer {
  /** Gives the block's buffer back. */
  take(block: Uint8Array<ArrayBuffer>): ArrayBuffer
  end(): void
}

export interface LoadedComlink {
  library: typeof Comlink
  endpoint: (port: MessagePort) => Comlink.Endpoint
}

export async function loadComlink(urls: ComlinkUrls): Promise<LoadedComlink> {
  const library = (await import(urls.main)) as typeof Comlink
  const adapter = (await import(urls.nodeAdapter)) as { default: LoadedComlink['endpoint'] }
  return { library, endpoint: adapter.default }
}
