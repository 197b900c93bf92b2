/** The command `pageframe`. */

import './cli/main.ts'
