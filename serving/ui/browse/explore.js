/** What stands out in the index: worked out by the service when it is first wanted, and waited for here. */

import { explore } from "../core/api.js"

const POLL_MS = 1000

/** @type {Map<string, {found?: any[], progress?: number|null, doing?: string, error?: Error}>} */
const known = new Map()
let running = null // {kind, controller}
let tell = () => {}

export const onExplored = listener => (tell = listener)

/** What is known of it now; the listener is told when that is more. */
export function wantExplored(kind, isRetry = false) {
  if (isRetry) known.delete(kind)
  const now = known.get(kind) ?? {}
  if (now.found || now.error || running?.kind === kind) return now
  stop()
  running = { kind, controller: new AbortController() }
  wait(kind, running.controller.signal)
  if (isRetry) tell()
  return now
}

export function stop() {
  running?.controller.abort()
  running = null
}

async function wait(kind, signal) {
  while (!signal.aborted) {
    const answer = await explore(kind, signal).catch(error => ({ error }))
    if (signal.aborted) return
    known.set(kind, answer)
    if (answer.found || answer.error) running = null
    tell()
    if (answer.found || answer.error) return
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
