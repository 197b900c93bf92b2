/** What the worker of a process runs (src/machine/start.ts). Not for import. */

import './memory/start.ts'
import './machine/entry.ts'
