/**
 * The supervisor's bundle: what runs in the worker that src/memory/adoption.ts starts. It holds the reaper's steps of every
 * kind of object, from whatever floor.
 */

import { workerData } from 'node:worker_threads'
import { channelRepairs } from '../src/channel/repairs.ts'
import { lockRepairs } from '../src/locks/repairs.ts'
import { memoryRepairs } from '../src/memory/repairs.ts'
import type { SupervisorData } from '../src/memory/protocol.ts'
import { Supervisor } from '../src/memory/supervisor.ts'

new Supervisor(workerData as SupervisorData, [...memoryRepairs, ...lockRepairs, ...channelRepairs])
