/**
 * The Cpu's instructions (AssemblyScript). No policy lives here: each export is one machine instruction, or one loop that
 * must not be a call an iteration. `at` counts words, `atByte` bytes; an index outside the memory traps, one outside the
 * words of the caller's structure does not (the debug Cpu asserts).
 *
 * Built by scripts/build-cpu.mjs into cpu-bytes.ts.
 */

function loadWord(at: usize): i32 {
  return atomic.load<i32>(at << 2)
}

function storeWord(at: usize, value: i32): void {
  atomic.store<i32>(at << 2, value)
}

export function add(at: usize, value: i32): i32 {
  return atomic.add<i32>(at << 2, value)
}

export function sub(at: usize, value: i32): i32 {
  return atomic.sub<i32>(at << 2, value)
}

export function and(at: usize, mask: i32): i32 {
  return atomic.and<i32>(at << 2, mask)
}

export function or(at: usize, mask: i32): i32 {
  return atomic.or<i32>(at << 2, mask)
}

export function xor(at: usize, mask: i32): i32 {
  return atomic.xor<i32>(at << 2, mask)
}

export function exchange(at: usize, value: i32): i32 {
  return atomic.xchg<i32>(at << 2, value)
}

export function compareExchange(at: usize, expected: i32, value: i32): i32 {
  return atomic.cmpxchg<i32>(at << 2, expected, value)
}

/** Stores a word, then loads another one: one half of a Dekker handshake. */
export function storeLoad(at: usize, value: i32, other: usize): i32 {
  atomic.store<i32>(at << 2, value)
  return atomic.load<i32>(other << 2)
}

// Early returns, and a difference in place of a comparison: the shorter code is the faster one wherever it comes to lie.

/** 0 if the word was `expected` and is `value` now; otherwise something else, and nothing has changed. */
export function guardedCompareExchange(guard: usize, own: i32, at: usize, expected: i32, value: i32): i32 {
  if (load<i32>(guard << 2) != own) return -1
  return atomic.cmpxchg<i32>(at << 2, expected, value) ^ expected
}

/** 0 if the word was 0 to 2^31 - 2, and is one more now. */
export function guardedAddOne(guard: usize, own: i32, at: usize): i32 {
  if (load<i32>(guard << 2) != own) return -1
  const seen = load<i32>(at << 2)
  if (<u32>seen >= <u32>i32.MAX_VALUE) return -1
  return atomic.cmpxchg<i32>(at << 2, seen, seen + 1) ^ seen
}

/** 0 if the word was above 0, and is one less now. */
export function guardedTakeOne(guard: usize, own: i32, at: usize): i32 {
  if (load<i32>(guard << 2) != own) return -1
  const seen = load<i32>(at << 2)
  if (seen <= 0) return -1
  return atomic.cmpxchg<i32>(at << 2, seen, seen - 1) ^ seen
}

/** The pair of words at `at` (8 bytes, aligned): `expected` and 0 become `value` and 0; then loads another word. */
export function guardedPairLoad(
  guard: usize,
  own: i32,
  at: usize,
  expected: i32,
  value: i32,
  other: usize,
): i32 {
  if (load<i32>(guard << 2) != own) return -1
  const seen = atomic.cmpxchg<i64>(at << 2, <i64>(<u32>expected), <i64>(<u32>value))
  return seen == <i64>(<u32>expected) ? atomic.load<i32>(other << 2) : -1
}

export function copy(toByte: usize, fromByte: usize, lengthBytes: usize): void {
  memory.copy(toByte, fromByte, lengthBytes)
}

export function fill(atByte: usize, value: u8, lengthBytes: usize): void {
  memory.fill(atByte, value, lengthBytes)
}

/** As memcmp(3): below 0, 0 or above 0. Eight bytes at a time while they are equal. */
export function compare(leftByte: usize, rightByte: usize, lengthBytes: usize): i32 {
  let i: usize = 0
  while (i + 8 <= lengthBytes && load<u64>(leftByte + i) == load<u64>(rightByte + i)) i += 8
  for (; i < lengthBytes; i++) {
    const difference = <i32>load<u8>(leftByte + i) - <i32>load<u8>(rightByte + i)
    if (difference != 0) return difference
  }
  return 0
}

/** Loads until the word differs from `value`, at most `turns` times; returns the last word seen. */
export function spinWhileEqual(at: usize, value: i32, turns: i32): i32 {
  let seen: i32
  do {
    seen = atomic.load<i32>(at << 2)
  } while (seen == value && --turns > 0)
  return seen
}

// Exported under another name: inside, load and store are AssemblyScript's own.
export { loadWord as load, storeWord as store }
