/** The library: fetched once, and again on request. */

/** @import { Library, Recording } from "../core/api.js" */

import { library as fetchLibrary } from "../core/api.js"

/** @type {Recording[]} */
let recordings = []
let frames = 0
/** @type {string[]} */
let parts = []
/** @type {Library["weights"]} */
let weights = null
/** @type {Error|null} */
let failure = null
let loaded = false
/** @type {(() => void)[]} */
const listeners = []

/** @param {() => void} listener */
export const onLibrary = listener => listeners.push(listener)

export const stored = () => ({ recordings, frames, parts, weights, failure, loaded })

export async function load() {
  try {
    ;({ recordings, frames, parts, weights } = await fetchLibrary())
    failure = null
  } catch (error) {
    failure = /** @type {Error} */ (error)
  }
  loaded = true
  listeners.forEach(listener => listener())
}

/** @param {string} id */
export const recordingOf = id => recordings.find(one => one.source_id === id)

export const cameras = () =>
  [...new Set(recordings.map(one => one.camera))].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }))

/**
 * From the first moment to the last, in ms; null for a recording without a date.
 * @param {Recording} one
 * @returns {[number, number]|null}
 */
export function extent(one) {
  if (!one.began_at) return null
  const from = Date.parse(one.began_at)
  return [from, from + one.length_s * 1000]
}
