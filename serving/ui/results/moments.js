/** Moments that the page has come across, by id: an address names only the id. */

import { about, recording } from "../core/api.js"
import { recordingOf } from "../browse/library.js"

/** @type {Map<string, import("../core/api.js").Moment>} */
const known = new Map()

export const remember = moments => moments.forEach(one => one.id && known.set(one.id, one))

export const knownMoment = id => known.get(id)

/** @returns {Promise<import("../core/api.js").Moment>} */
export async function momentOf(id, signal) {
  if (!known.has(id)) known.set(id, await about(id, signal))
  return known.get(id)
}

/** @param {import("../core/api.js").Recording} one */
export function momentIn(one, time_s) {
  const captured_at = one.began_at ? new Date(Date.parse(one.began_at) + time_s * 1000).toISOString() : null
  return {
    source_id: one.source_id,
    source: one.source,
    camera: one.camera,
    time_s,
    span_s: [time_s, time_s],
    captured_at,
  }
}

/** What `look` in the address names: a frame, or SOURCE_ID@SECONDS. */
export async function readMoment(text, signal) {
  const [id, time] = text.split("@")
  if (time === undefined) return momentOf(id, signal)
  return momentIn(recordingOf(id) ?? (await recording(id, signal)), Number(time) || 0)
}

export const writeMoment = one => one.id ?? `${one.source_id}@${Math.round(one.time_s * 1000) / 1000}`
