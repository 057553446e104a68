/** Moments that the page has come across, by id: an address names only the id. */

/** @import { Moment, Recording } from "../core/api.js" */

import { recordingOf } from "../browse/library.js"
import { about, recording } from "../core/api.js"

/** @type {Map<string, Moment>} */
const known = new Map()

/** @param {Moment[]} moments */
export const remember = moments => moments.forEach(moment => moment.id && known.set(moment.id, moment))

/** @param {string} id */
export const knownMoment = id => known.get(id)

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Moment>} */
export async function momentOf(id, signal) {
  const moment = known.get(id) ?? (await about(id, signal))
  known.set(id, moment)
  return moment
}

/**
 * A time of a recording.
 * @param {Pick<Recording, "source_id"|"source"|"camera"|"began_at">} recording
 * @param {number} time_s
 * @returns {Moment}
 */
export function momentIn(recording, time_s) {
  const captured_at = recording.began_at ? new Date(Date.parse(recording.began_at) + time_s * 1000).toISOString() : null
  return {
    source_id: recording.source_id,
    source: recording.source,
    camera: recording.camera,
    time_s,
    span_s: [time_s, time_s],
    captured_at,
  }
}

/** The moment that the address names: a frame, or SOURCE_ID@SECONDS. @param {string} text @param {AbortSignal} signal */
export async function readMoment(text, signal) {
  const [id, time] = text.split("@")
  if (time === undefined) return momentOf(id, signal)
  return momentIn(recordingOf(id) ?? (await recording(id, signal)), Number(time) || 0)
}

/** @param {Moment} moment */
export const writeMoment = moment => moment.id ?? `${moment.source_id}@${Math.round(moment.time_s * 1000) / 1000}`
