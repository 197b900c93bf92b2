/** Imported for its effect by every entry that has locks: how each class is watched, if it is (memory/lock-switch.ts). */

import './watched-condition.ts'
import './watched-mutex.ts'
import './watched-rwlock.ts'
import './watched-semaphore.ts'
import './watched-seqlock.ts'
import './watched-spin-lock.ts'
import './watched-waits.ts'
