/** Imported for its effect by every entry that has locks: how each class is watched, if it is (memory/lock-switch.ts). */

import './watched-mutex.ts'
import './watched-semaphore.ts'
