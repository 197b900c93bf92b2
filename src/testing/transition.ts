/**
 * Transition: one step of the model as one number, and a schedule of them as text.
 *
 *   bits   0-1    2-9    10-
 *         ┌──────┬──────┬─────────────┐
 *         │ kind │ task │ alternative │    the alternative of a choice; otherwise 0
 *         └──────┴──────┴─────────────┘
 *
 *   kind          task         in a schedule
 *   RUN           that runs    3      3=1 when it chooses alternative 1      3*12 for twelve times in a row
 *   KILL          of thread    k3     the thread's first task stands for it
 *   TIME_OUT      that slept   t3
 *   SPURIOUS      that slept   s3
 */

export type Transition = number

export const RUN = 0
export const KILL = 1
export const TIME_OUT = 2
export const SPURIOUS = 3

const TASK_SHIFT = 2
const TASK_MASK = 0xff
const ALTERNATIVE_SHIFT = 10
const LETTERS = ['', 'k', 't', 's']

export function transition(kind: number, task: number, alternative = 0): Transition {
  return kind | (task << TASK_SHIFT) | (alternative << ALTERNATIVE_SHIFT)
}

export function kindOf(step: Transition): number {
  return step & 3
}

export function taskOf(step: Transition): number {
  return (step >>> TASK_SHIFT) & TASK_MASK
}

export function alternativeOf(step: Transition): number {
  return step >>> ALTERNATIVE_SHIFT
}

export function scheduleOf(steps: readonly Transition[]): string {
  const words: string[] = []
  for (let i = 0; i < steps.length;) {
    let end = i + 1
    while (steps[end] === steps[i]) end++
    words.push(wordOf(steps[i]) + (end - i > 1 ? `*${end - i}` : ''))
    i = end
  }
  return words.join(' ')
}

function wordOf(step: Transition): string {
  const alternative = alternativeOf(step)
  return `${LETTERS[kindOf(step)]}${taskOf(step)}${alternative > 0 ? `=${alternative}` : ''}`
}

/** Throws a SyntaxError if the text is no schedule. */
export function parseSchedule(schedule: string): Transition[] {
  return schedule
    .split(' ')
    .filter((word) => word !== '')
    .flatMap((word) => {
      const parts: Partial<Record<string, string>> | undefined =
        /^(?<letter>[kts]?)(?<task>\d+)(?:=(?<alternative>\d+))?(?:\*(?<times>\d+))?$/.exec(word)?.groups
      if (parts === undefined) throw new SyntaxError(`not a schedule: ${word}`)
      const { letter = '', task, alternative = '0', times = '1' } = parts
      const step = transition(LETTERS.indexOf(letter), Number(task), Number(alternative))
      return Array.from({ length: Number(times) }, () => step)
    })
}
