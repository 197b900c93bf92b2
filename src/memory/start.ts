/** Imported for its effect by every entry: the default memory is there as soon as pageframe is. */

import { initialize } from './inventory.ts'

initialize()
