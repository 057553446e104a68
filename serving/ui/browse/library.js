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
export const recordingOf = id => recordings.find(recording => recording.source_id === id)

export const cameras = () =>
  [...new Set(recordings.map(recording => recording.camera))].sort((a, b) =>
    a.localeCompare(b, undefined, { numeric: true })
  )

/**
 * From the first moment to the last, in ms; null for a recording without a date.
 * @param {Recording} recording
 * @returns {[number, number]|null}
 */
export function extent(recording) {
  if (!recording.began_at) return null
  const from = Date.parse(recording.began_at)
  return [from, from + recording.length_s * 1000]
}
