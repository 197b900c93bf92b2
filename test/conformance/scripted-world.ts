/** A double of a world: each process answers its calls from a script, in their order. */

type Answer = object | 'never' | { readonly after: number; readonly outcome: object }

export class ScriptedWorld {
  readonly window = 2 ** 40
  readonly taskSize = 2 ** 47 - 4096
  readonly calls: string[] = []
  readonly started: string[] = []
  hasEnded = false
  complaints: string[] = []
  inspect: object = {}

  readonly #script: Record<string, Answer[]>

  constructor(script: Record<string, Answer[]>) {
    this.#script = script
  }

  start(name: string): Promise<ScriptedProcess> {
    this.started.push(name)
    return Promise.resolve(
      new ScriptedProcess(name, 100 + this.started.length, this.#script[name] ?? [], this.calls),
    )
  }

  end(): Promise<string[]> {
    this.hasEnded = true
    return Promise.resolve(this.complaints)
  }
}

export class ScriptedProcess {
  readonly name: string
  readonly pid: number
  readonly view = {}
  status: object | undefined
  started: Promise<object> | undefined
  readonly ended: Promise<object>

  readonly #answers: Answer[]
  readonly #calls: string[]
  #end!: (status: object) => void

  constructor(name: string, pid: number, answers: Answer[], calls: string[]) {
    this.name = name
    this.pid = pid
    this.#answers = [...answers]
    this.#calls = calls
    this.ended = new Promise((resolve) => (this.#end = resolve))
  }

  call(call: string, args: object): Promise<object> {
    this.#calls.push(
      `${this.name}.${call} ${JSON.stringify(args, (_key, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value))}`,
    )
    const answer = this.#answers.shift() ?? { ret: 0n }
    if (answer === 'never') return new Promise(() => undefined)
    if ('after' in answer) return new Promise((resolve) => setTimeout(resolve, answer.after, answer.outcome))
    return Promise.resolve(answer)
  }

  exit({ code = 0 }: { code?: number }): Promise<object> {
    return this.#over({ code, signal: null })
  }

  kill(signal: string): void {
    void this.#over({ code: null, signal })
  }

  #over(status: object): Promise<object> {
    this.status = status
    this.#end(status)
    return this.ended
  }
}
