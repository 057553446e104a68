/** What is stored: fetched once, and again when asked to. */

import { library as fetchLibrary } from "../core/api.js"

/** @type {import("../core/api.js").Recording[]} */
let recordings = []
let frames = 0
/** @type {string[]} */
let parts = []
let weights = null
let failure = null
let loaded = false
const listeners = []

export const onLibrary = listener => listeners.push(listener)

export const stored = () => ({ recordings, frames, parts, weights, failure, loaded })

export async function load() {
  try {
    ;({ recordings, frames, parts, weights } = await fetchLibrary())
    failure = null
  } catch (error) {
    failure = error
  }
  loaded = true
  listeners.forEach(listener => listener())
}

export const recordingOf = id => recordings.find(one => one.source_id === id)

export const cameras = () =>
  [...new Set(recordings.map(one => one.camera))].sort((a, b) => a.localeCompare(b, undefined, { numeric: true }))

/** From the first moment to the last, in ms; null for a recording without a date. */
export function extent(one) {
  if (!one.began_at) return null
  const from = Date.parse(one.began_at)
  return [from, from + one.length_s * 1000]
}
