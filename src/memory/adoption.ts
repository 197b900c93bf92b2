/**
 * Adoption: how a thread comes to run in a memory, with somebody to notice its death.
 *
 *   thread                        main thread                     supervisor
 *     │ claims a slot (CLAIMED)      │                                │
 *     │ MessageChannel               │                                │
 *     │── Adopt, port ──────────────►│ (Node forwards it) ───────────►│ listens for the port's close
 *     │ sleeps on its park word      │                                │ slot CLAIMED -> RUNNING, rings
 *     │◄─────────────────────────────┼────────────────────────────────│
 *
 * Messages between threads pass through the main thread's event loop. When the main thread is asleep in one of our waits
 * instead, the claimer rings it, and it makes the port itself: one end to the supervisor, one to the thread, which gets it
 * when its event loop turns. Until then the thread speaks to the supervisor by broadcast, which passes by no event loop but
 * the supervisor's: so it may meet and make further memories while main sleeps on.
 *
 * When main is blocked elsewhere the claimer gives up after 5 s; if it died instead, the claim lapses after 10. But where a
 * hundred threads start on two cores, to be let in takes long by itself. So the patience of a claimer begins anew with each
 * sign that those go on whom it waits for:
 *
 *   main            it has started another worker (in the default memory), or somebody has been let in by way of it
 *   the supervisor  it has let somebody in, or begun to start a process of the machine. A thread that it knows waits for
 *                   nobody else
 *
 * The supervisor is started by the root thread, inside the constructor of the first other worker (the diagnostics channel
 * `worker_threads` is published there), so it exists before that worker's first line.
 */

import { source } from 'virtual:worker/supervisor'
import { deadlineAfter, now, sharedNow } from '../host/clock.ts'
import {
  broadcast,
  Inbox,
  isMainThread,
  MessageChannel,
  onThreadMessage,
  postToPeer,
  postToThread,
  startEmbedded,
  threadId,
  type MessagePort,
  type Worker,
} from '../host/workers.ts'
import type { LiveThread } from '../threads/live-thread.ts'
import {
  ASLEEP,
  AWAKE,
  CLAIMED,
  giveUpClaim,
  isInState,
  MAKER_SLOT,
  OWN_PORT,
  renewClaim,
  RUNG,
  RUNNING,
  stateOf,
  ThreadSlot,
  tidOfState,
} from '../threads/slot.ts'
import { EAGAIN, ErrnoError } from '../words/errno.ts'
import { assert } from '../words/assert.ts'
import { claim, liveThread, view, type Attachment, type View } from './attachment.ts'
import { collectNow } from './collection.ts'
import { forget, forgetDestroyed } from './forgetting.ts'
import { assertSound, poisonEverybody } from './poison.ts'
import {
  isProtocol,
  labelOf,
  supervisorChannel,
  supplyChannel,
  type Adopt,
  type Alive,
  type Aside,
  type ByPort,
  type Forgotten,
  type Offer,
  type Ported,
  type SupervisorData,
  type Supply,
} from './protocol.ts'
import { POISON_SUPERVISOR_DIED, Superblock } from './superblock.ts'
import type { Known, ThreadMemories } from './thread-memories.ts'

const PATIENCE_MS = 5000
/** Patience is counted in slices: what was stopped as a whole for a while, this thread included, has not kept it waiting. */
const SLICE_MS = 250
const SLICES = PATIENCE_MS / SLICE_MS
const LOOK_EVERY_MS = 1000

// ── the thread that wants to run ──────────────────────────────────────────────────────────────────────────────────

/** Claims a slot and sleeps until the supervisor lets it run. EAGAIN if nobody answers. */
export function adopt(state: ThreadMemories, seen: View, offer: Offer, threadName: string): LiveThread {
  const { slot, tid } = claim(seen, labelOf(offer), threadName)
  const thread = liveThread(seen, slot, tid)
  const isFirst = !state.isIntroduced
  if (isFirst) introduce(state, seen, offer, tid)
  else tell(state, { pageframe: 'attach', memory: offer.id, tid })
  awaitAdmission(seen, thread, offer, isFirst)
  if (isFirst) state.isLinkThrough = seen.cpu.load(slot + ThreadSlot.port) === OWN_PORT
  state.isIntroduced = true
  return thread
}

function awaitAdmission({ cpu, map }: View, thread: LiveThread, offer: Offer, isThroughMain: boolean): void {
  const { tid } = thread
  const park = thread.at + ThreadSlot.park
  const signsAt = isThroughMain ? Superblock.signsOfMain : Superblock.signsOfSupervisor
  let signs = cpu.load(signsAt)
  let patience = SLICES
  let deadline = deadlineAfter(SLICE_MS)
  while (!isInState(cpu, map.slotsAt, tid, RUNNING)) {
    cpu.exchange(park, ASLEEP)
    assertSound(cpu, labelOf(offer))
    const isRunning = isInState(cpu, map.slotsAt, tid, RUNNING)
    const isInTime = isRunning || thread.sleep(park, ASLEEP, deadline)
    if (!isInTime) {
      const before = signs
      signs = cpu.load(signsAt)
      patience = signs !== before ? SLICES : patience - 1
      // Each time: slices may take longer than a claim lasts, and once that has lapsed the park word is somebody else's.
      const isOurs = renewClaim(cpu, map.slotsAt, tid, sharedNow())
      if ((!isOurs || patience === 0) && giveUpClaim(cpu, map.slotsAt, tid))
        throw unanswered(offer, isThroughMain)
      deadline = deadlineAfter(SLICE_MS)
    }
    cpu.store(park, AWAKE)
  }
}

function introduce(state: ThreadMemories, seen: View, offer: Offer, tid: number): void {
  const { cpu, map } = seen
  const supervisor = cpu.spinWhileEqual(Superblock.supervisor, 0, 1_000_000)
  if (supervisor === 0) throw unanswered(offer, true)
  if (state.link === undefined) hearOfPorts(state)
  state.supervisorId = supervisor
  const { port1, port2 } = new MessageChannel()
  keepPort(state, port1)
  const message: Adopt = { pageframe: 'adopt', threadId, memory: offer.id, tid, port: port2, byMain: false }
  postToThread(supervisor, message, [port2])
  // The main thread may be asleep in one of our waits, and the message stuck: knock, and it will see to us.
  const knock = map.slotsAt + MAKER_SLOT * ThreadSlot.sizeof + ThreadSlot.park
  if (cpu.compareExchange(knock, ASLEEP, RUNG) === ASLEEP) liveThread(seen, 0, tid).ring(knock)
}

/** Main makes a port for this thread, if that waits while main sleeps. */
function hearOfPorts(state: ThreadMemories): void {
  onThreadMessage((message) => {
    if (!isProtocol(message, 'ported')) return
    keepPort(state, (message as Ported).port)
    state.isLinkThrough = true
  })
}

function keepPort(state: ThreadMemories, port: MessagePort): void {
  hear(state, port)
  port.on('close', () => {
    poisonAll(state)
  })
  if (state.link !== undefined) state.kept.push(state.link)
  state.link = port
}

/** Hears what the supervisor says by a private port, and lives no longer for it. */
function hear(state: ThreadMemories, port: MessagePort): void {
  port.on('message', (message: unknown) => {
    if (isProtocol(message, 'forgotten')) forget(state, (message as Forgotten).memory)
  })
  port.unref() // after on('message'), which refs
}

function unanswered(offer: Offer, isThroughMain: boolean): ErrnoError {
  const [who, why] = isThroughMain
    ? [
        'main thread',
        `it is blocked outside pageframe's waits. Let its event loop run, or block in a wait of pageframe`,
      ]
    : ['supervisor', 'this computer has no time for it. Start fewer threads at once']
  return new ErrnoError(
    EAGAIN,
    'attach',
    `memory '${labelOf(offer)}': the ${who} did not let this thread in within ${PATIENCE_MS / 1000} s; ${why}`,
  )
}

// ── the root ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** Starts the supervisor, once. It keeps no process alive, and if it dies the memories are poisoned. */
export function startSupervisor(state: ThreadMemories): void {
  if (!state.isRoot || state.supervisor !== undefined || state.isStartingSupervisor) return
  assert(state.module !== undefined, 'the root has no instructions')
  state.isStartingSupervisor = true
  const { port1, port2 } = new MessageChannel()
  const offers = [...state.known.values()].map((known) => known.offer)
  const data: SupervisorData = {
    module: state.module,
    offers,
    destroyed: [...state.destroyed],
    port: port2,
  }
  const supervisor = startEmbedded(source, 'pageframe supervisor', data, [port2])
  state.isStartingSupervisor = false
  state.supervisor = supervisor
  state.supervisorId = supervisor.threadId
  state.link = port1
  state.isIntroduced = true
  state.isLinkThrough = true // what is posted before the supervisor listens waits in the port
  hear(state, port1)
  for (const known of state.known.values()) announceSupervisor(state, known)
  supervisor.once('exit', () => {
    poisonAll(state)
  })
  supervisor.on('error', () => undefined) // its exit follows, and says all there is to say
}

/**
 * Writes where the supervisor is into a memory, for the threads that will come: also where this thread has no slot yet,
 * since it may start workers long before it uses the memory, or never use it.
 */
export function announceSupervisor(state: ThreadMemories, { offer }: Known): void {
  if (state.supervisor === undefined || state.module === undefined) return
  const { cpu } = view(offer.backing, state.module, labelOf(offer))
  cpu.store(Superblock.supervisor, state.supervisor.threadId)
}

/** The main thread goes on, also while its event loop does not turn: whoever waits to be let in may wait longer. */
export function giveSign(state: ThreadMemories): void {
  const home = state.known.get(state.defaultId ?? '')
  if (!isMainThread || home === undefined || state.module === undefined) return
  view(home.offer.backing, state.module, labelOf(home.offer)).cpu.add(Superblock.signsOfMain, 1)
}

/** A worker that this thread made: its end is told to the supervisor, beside what the port says. */
export function watchExit(state: ThreadMemories, worker: Worker): void {
  const ended = worker.threadId
  worker.once('exit', () => {
    tell(state, { pageframe: 'exited', threadId: ended })
  })
}

/** The main thread, asleep in a wait, lets claimers in: makes the port for them. */
export function serveAdoptions(state: ThreadMemories, attachment: Attachment): void {
  if (!isMainThread || state.link === undefined) return
  const { cpu, map, id } = attachment
  for (let index = 0; index < map.frames.slotCount; index++) {
    const slot = map.slotsAt + index * ThreadSlot.sizeof
    const word = cpu.load(slot + ThreadSlot.state)
    const claimer = cpu.load(slot + ThreadSlot.threadId)
    const tid = tidOfState(index, word)
    if (stateOf(word) !== CLAIMED || claimer === 0 || claimer === threadId || state.served.has(tid)) continue
    state.served.add(tid)
    const { port1, port2 } = new MessageChannel()
    const message: Adopt = {
      pageframe: 'adopt',
      threadId: claimer,
      memory: id,
      tid,
      port: port1,
      byMain: true,
    }
    state.link.postMessage(message, [port1])
    postToThread(claimer, { pageframe: 'ported', port: port2 } satisfies Ported, [port2])
  }
}

/** A thread that the supervisor itself has started: the private port came with it, and the supervisor listens already. */
export function joinByPort(state: ThreadMemories, supervisor: number, port: MessagePort): void {
  keepPort(state, port)
  state.supervisorId = supervisor
  state.isIntroduced = true
  state.isLinkThrough = true
}

// ── everybody ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** Tells the supervisor, if there is one. */
export function tell(state: ThreadMemories, message: ByPort): void {
  const { link, isLinkThrough, supervisorId } = state
  if (link === undefined) return
  if (isLinkThrough) link.postMessage(message)
  else
    broadcast(supervisorChannel(supervisorId), {
      pageframe: 'aside',
      from: threadId,
      message,
    } satisfies Aside)
}

/** Tells the supervisor, and hands ports over: only the private port can carry them. It may lie in main for a while yet. */
export function tellWithPorts(state: ThreadMemories, message: ByPort, ports: readonly MessagePort[]): void {
  assert(state.link !== undefined, 'this thread was not introduced to the supervisor')
  state.link.postMessage(message, [...ports])
}

/** Asks the supervisor for a memory that this thread does not know, and sleeps until it answers. Undefined if it does not. */
export function askForMemory(state: ThreadMemories, home: Attachment, id: string): Supply | undefined {
  if (state.link === undefined) return undefined
  const { cpu, thread } = home
  const bell = thread.at + ThreadSlot.park
  const replyTo = supplyChannel(state.supervisorId, threadId, state.questions++)
  const inbox = new Inbox(replyTo)
  try {
    tell(state, { pageframe: 'want', memory: id, ringIn: home.id, ringAt: bell, replyTo })
    let deadline = deadlineAfter(SLICE_MS)
    for (let patience = SLICES; patience > 0;) {
      cpu.exchange(bell, ASLEEP)
      const answer = supplied(inbox, id)
      const inTime = answer !== undefined || thread.sleep(bell, ASLEEP, deadline)
      cpu.store(bell, AWAKE)
      if (answer !== undefined) return answer
      if (inTime) continue
      patience--
      deadline = deadlineAfter(SLICE_MS)
    }
    return undefined
  } finally {
    inbox.close()
  }
}

function supplied(inbox: Inbox, id: string): Supply | undefined {
  for (let message = inbox.take(); message !== undefined; message = inbox.take()) {
    if (isProtocol(message, 'supply') && (message as Supply).memory === id) return message as Supply
  }
  return undefined
}

/**
 * A blocked thread, now and then, in place of the messages that it does not hear. Is the supervisor there? Its own port says
 * so, also while nobody hears it close; and a thread whose port lies in the main thread still learns it from the default
 * memory, which all the others poison. And are the memories?
 */
export function lookAround(state: ThreadMemories): void {
  const time = now()
  if (time < state.lookAgainAt) return
  state.lookAgainAt = time + LOOK_EVERY_MS
  const { link } = state
  const home = state.known.get(state.defaultId ?? '')?.attachment
  const wasTold = home?.cpu.load(Superblock.poison) === POISON_SUPERVISOR_DIED
  const isThere = link === undefined || postToPeer(link, { pageframe: 'alive' } satisfies Alive)
  if (wasTold || !isThere) poisonAll(state)
  forgetDestroyed(state)
  collectNow()
}

/** The supervisor is gone: nobody would notice a death any more. */
function poisonAll(state: ThreadMemories): void {
  for (const { attachment } of state.known.values()) {
    if (attachment !== undefined) poisonEverybody(attachment, POISON_SUPERVISOR_DIED)
  }
}
