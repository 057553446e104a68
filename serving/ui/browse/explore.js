/** Explorations of the index: the service computes each on the first request, and this polls until it is done. */

/** @import { Explored, Found } from "../core/api.js" */

import { explore } from "../core/api.js"

const POLL_MS = 1000

/**
 * The state of an exploration.
 * @template {keyof Found} Kind
 * @typedef {Explored<Kind> & {error?: Error}} Known
 */

/** @type {{[Kind in keyof Found]?: Known<Kind>}} */
const known = {}
/** @type {{kind: keyof Found, controller: AbortController}|null} */
let running = null
let onMore = () => {}

/** @param {() => void} listener */
export const onExplored = listener => (onMore = listener)

/**
 * The current state of an exploration; the listener is called on a change.
 * @template {keyof Found} Kind
 * @param {Kind} kind
 * @param {boolean} [isRetry]
 * @returns {Known<Kind>}
 */
export function wantExplored(kind, isRetry = false) {
  if (isRetry) delete known[kind]
  /** @type {Known<Kind>} */
  const now = known[kind] ?? {}
  if (now.found || now.error || running?.kind === kind) return now
  stop()
  running = { kind, controller: new AbortController() }
  wait(kind, running.controller.signal)
  if (isRetry) onMore()
  return now
}

export function stop() {
  running?.controller.abort()
  running = null
}

/**
 * @template {keyof Found} Kind
 * @param {Kind} kind
 * @param {AbortSignal} signal
 */
async function wait(kind, signal) {
  while (!signal.aborted) {
    /** @type {Known<Kind>} */
    const next = await explore(kind, signal).catch(error => ({ error }))
    if (signal.aborted) return
    Object.assign(known, { [kind]: next })
    if (next.found || next.error) running = null
    onMore()
    if (next.found || next.error) return
    await new Promise(resolve => setTimeout(resolve, POLL_MS))
  }
}
