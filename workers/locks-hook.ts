/**
 * Loaded into a program by `pageframe locks`, before the program itself (node --import): writes what is known of its locks
 * when it ends, and starts a worker that does so meanwhile, since the main thread may hang or be killed.
 *
 * Workers of the program inherit the flag, and load this for nothing: so all else is loaded by the main thread only. The
 * program is to wait for it, so this file and that one alone in dist/ have an `await` outside of functions.
 */

import { isMainThread } from 'node:worker_threads'

if (isMainThread && process.env.PAGEFRAME_LOCKS_REPORT !== undefined) await import('./locks/main-thread.ts')
