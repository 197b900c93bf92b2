/** The version that stands in every superblock, for the message that tells two copies apart. */

export const VERSION = '0.1.0'
