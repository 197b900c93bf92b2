/**
 * What a bad access throws: the signal that Linux sends.
 *
 * See: sigaction(2), si_code of SIGSEGV and SIGBUS.
 */

import { showAddress } from './addresses.ts'

/** MAPERR: nothing is mapped there. ACCERR: what is mapped does not permit it. */
export type SegmentationCode = 'SEGV_MAPERR' | 'SEGV_ACCERR'

/** ADRERR: mapped, and behind the end of the object. */
export type BusCode = 'BUS_ADRERR'

/** An access to an address where nothing is mapped, or against its protection. The process goes on if it catches it. */
export class SegmentationFault extends Error {
  override readonly name = 'SegmentationFault'
  readonly signal = 'SIGSEGV'
  readonly code: SegmentationCode
  readonly address: number

  constructor(code: SegmentationCode, address: number) {
    super(`SIGSEGV, ${code} at ${showAddress(address)}`)
    this.code = code
    this.address = address
  }
}

/** An access to a page of a mapping that lies behind the end of what is mapped. */
export class BusError extends Error {
  override readonly name = 'BusError'
  readonly signal = 'SIGBUS'
  readonly code: BusCode
  readonly address: number

  constructor(code: BusCode, address: number) {
    super(`SIGBUS, ${code} at ${showAddress(address)}`)
    this.code = code
    this.address = address
  }
}
