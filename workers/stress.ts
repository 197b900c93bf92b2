/**
 * A worker of `pageframe stress`: it is given a place, does its drill there until the board says that it is enough, and says
 * what was wrong. It may be killed at any moment, and another one is given its place.
 */

import { parentPort, workerData } from 'node:worker_threads'
import { Region } from 'pageframe'
import { defaultAttachment } from 'pageframe/internals'
import { Board } from './stress/board.ts'
import { drillOf } from './stress/drills.ts'
import type { Setting } from './stress/drill.ts'
import { drive } from './stress/drive.ts'
import type { Order, Report, StressData } from './stress/orders.ts'
import { Pace } from './stress/pace.ts'
import { sharedNow } from './stress/stream.ts'
import { describeThrown } from './stress/thrown.ts'

/** More of them say nothing new. */
const MOST_TOLD = 3

const data = workerData as StressData
const port = parentPort
if (port === null) throw new Error('this file is for a Worker')
const attachment = defaultAttachment()
const board = new Board(Region.from(data.board).bytes, data.workers, data.buckets)

const tell = (report: Report): void => {
  port.postMessage(report)
}

port.on('message', ({ place }: Order) => {
  takePlace(place).catch((error: unknown) => {
    // This ends the worker, and the crew hears of it. Of what is no Error, Node would say more about promises than about it.
    throw error instanceof Error ? error : new Error(describeThrown(error))
  })
})
tell('ready')

async function takePlace(index: number): Promise<void> {
  const place = board.places[index]
  const setting: Setting = {
    board,
    place,
    pace: new Pace(place, data.timedEvery),
    workers: data.workers,
    holdTurns: data.holdTurns,
    readRatio: data.readRatio,
    kills: data.kills,
    attachment,
    violation(what) {
      place.violations++
      if (place.violations <= MOST_TOLD) tell({ violation: `worker ${place.number} ${what}` })
    },
    notice(wasTorn) {
      place.notices++
      if (wasTorn) place.repairs++
      // Each death is told once. The kills are looked at last: those that the others were told of are among them.
      const told = attachment.cpu.add(board.toldAt, 1) + 1
      const kills = attachment.cpu.load(board.killsAt)
      if (told > kills) {
        const but = kills === 0 ? 'nobody had' : `${kills} had died: that makes ${told} times`
        setting.violation(`was told that the last owner died, and ${but}`)
      } else {
        place.recoveryMs = Math.max(place.recoveryMs, sharedNow() - board.killedAt)
      }
    },
  }
  drive(setting, await drillOf(data, setting), data.thinkTurns)
  tell({ left: index })
}
