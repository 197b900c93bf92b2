/** What a person reads: one small table for each row. */

import Table from 'cli-table3'

/** Above this share of the machine, others disturb the figures enough to say so. */
export const NOISY = 0.05

const PLAIN = {
  chars: Object.fromEntries(
    'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'
      .split(' ')
      .map((part) => [part, '']),
  ),
  style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2 },
  colAligns: ['left', 'right', 'right', 'right', 'right', 'left'],
}
PLAIN.chars.middle = ''

export function printHeading({ node, machine, date }) {
  console.log(`Node ${node} · ${machine} · ${date}\n`)
}

export function printRow({ name, unit, ours, details, goals, others }) {
  const table = new Table({ ...PLAIN, head: [name, `${unit}, median`, 'p50', 'p99', 'times ours', 'goal'] })
  for (const [contender, figures] of Object.entries(details)) {
    const goal = goals.filter(({ versus }) => versus === contender).map(showGoal)
    table.push([`  ${contender}`, ...showFigures(figures, ours), goal.join('; ')])
  }
  console.log(table.toString().replace(/ +$/gm, ''))
  for (const figure of Object.keys(details.ours?.figures ?? {})) {
    const all = Object.entries(details).filter(([, { figures }]) => figures?.[figure] !== undefined)
    console.log(
      `  ${figure}: ${all.map(([who, { figures }]) => `${who} ${show(figures[figure])}`).join(', ')}`,
    )
  }
  for (const goal of goals.filter(({ versus }) => !(versus in details))) {
    console.log(`  against ${goal.versus}: ${showGoal(goal)}`)
  }
  if (others > NOISY) console.log(`  noisy: others used ${Math.round(others * 100)} % of the machine`)
  console.log()
}

function showFigures({ missing, median, p50, p99 }, ours) {
  if (missing !== undefined) return ['', '', '', missing]
  return [show(median), show(p50), show(p99), ours === null || ours === 0 ? '' : show(median / ours)]
}

function showGoal({ atMost, atLeast, figure, limit, unit, ratio, inRound, ok }) {
  if (limit !== undefined) {
    return `${figure === undefined ? '' : `${figure} `}at most ${`${limit} ${unit}`.trim()}: ${ok ? 'ok' : 'MISSED'}`
  }
  const wanted = atMost === undefined ? `at least ${atLeast}x faster than it` : `at most ${atMost}x of it`
  if (ok === null) return `${wanted}: not judged`
  const paired = inRound === undefined ? '' : `, in the median round ${show(inRound)}x`
  return `${wanted}: ${ok ? 'ok' : 'MISSED'} (${show(ratio)}x${paired})`
}

/** Three digits that matter. */
function show(figure) {
  if (figure >= 1000) return Math.round(figure).toLocaleString('en')
  return figure.toPrecision(3)
}
