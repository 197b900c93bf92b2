// Two boards, one for even generations and one for odd ones; the edges meet.
const SIZE = 33
const CELLS = SIZE * SIZE

export const WORKERS = 3
export const GENERATIONS = 4 * SIZE // a glider has gone round then
export const BOARD_BYTES = 2 * CELLS

export function glider() {
  const cells = new Uint8Array(CELLS)
  for (const [row, column] of [
    [0, 1],
    [1, 2],
    [2, 0],
    [2, 1],
    [2, 2],
  ])
    cells[row * SIZE + column] = 1
  return cells
}

/** Computes one worker's rows of the next generation. */
export function step(boards, generation, part) {
  const from = (generation % 2) * CELLS
  const to = CELLS - from
  for (let row = part; row < SIZE; row += WORKERS) {
    for (let column = 0; column < SIZE; column++) {
      const isAlive = boards[from + row * SIZE + column] === 1
      const around = neighbours(boards, from, row, column)
      boards[to + row * SIZE + column] = around === 3 || (isAlive && around === 2) ? 1 : 0
    }
  }
}

function neighbours(boards, from, row, column) {
  let sum = -boards[from + row * SIZE + column]
  for (let down = -1; down <= 1; down++) {
    for (let right = -1; right <= 1; right++) {
      const there = ((row + down + SIZE) % SIZE) * SIZE + ((column + right + SIZE) % SIZE)
      sum += boards[from + there]
    }
  }
  return sum
}
