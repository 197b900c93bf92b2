/** The command line: which command was asked for. */

export {}
