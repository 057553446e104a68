/** Requests to the service. URLs are relative, so that a proxy may serve it under any path. */

import { again } from "./login.js"

/**
 * A frame that matched, or a time of a recording.
 * @typedef {Object} Moment
 * @property {string} [id] of a frame; absent for a time of a recording
 * @property {string} source_id
 * @property {string} source
 * @property {string} camera
 * @property {number} time_s
 * @property {[number, number]} span_s
 * @property {string|null} captured_at
 * @property {string|null} [region]
 * @property {string|null} [asked] the region of the query that matched, or "difference"
 * @property {number} [score]
 * @property {number} [percentile] of the score among the other frames of its camera
 *
 * A moment that matched.
 * @typedef {Moment & {id: string, score: number}} Hit
 *
 * @typedef {Object} Recording
 * @property {string} source_id
 * @property {string} source
 * @property {string} name
 * @property {string} camera
 * @property {string|null} began_at
 * @property {number} length_s
 * @property {number} frames
 * @property {"video"|"picture"} kind
 * @property {boolean} served whether the service has its pictures
 *
 * How a recording plays.
 * @typedef {Object} Media
 * @property {number} width
 * @property {number} height
 * @property {number|null} fps
 * @property {"ready"|"preparing"|"none"} media
 * @property {number|null} progress of the copy that is being prepared, 0 to 1
 * @property {string|null} reason why it does not play
 * @property {number} offset_s from times of the recording to those of its media
 *
 * The weights of colour and layout, 0 to 1.
 * @typedef {{colour: number, layout: number}} Weights
 *
 * @typedef {Object} Library
 * @property {string} space
 * @property {number} frames
 * @property {Recording[]} recordings
 * @property {string[]} parts of an embedding; empty if it has one
 * @property {{crop: Weights, frame: Weights}|null} weights
 *
 * @typedef {Moment & {id: string, distance: number, percentile: number}} Outlier
 *
 * Spans of two recordings that show the same.
 * @typedef {Object} Duplicate
 * @property {string} source_id
 * @property {string} source
 * @property {string} camera
 * @property {[number, number]} span_s
 * @property {string} other_source_id
 * @property {string} other_source
 * @property {string} other_camera
 * @property {[number, number]} other_span_s
 * @property {number} offset_s
 * @property {number} similarity
 *
 * @typedef {Object} Cluster
 * @property {number} number
 * @property {number} frames
 * @property {Record<string, number>} cameras frames of each
 * @property {string|null} first
 * @property {string|null} last
 * @property {Moment[]} representatives
 *
 * @typedef {{outliers: Outlier[], duplicates: Duplicate[], clusters: Cluster[]}} Found by kind
 */

/**
 * The response to an exploration: `found` when it is done.
 * @template {keyof Found} Kind
 * @typedef {{found?: Found[Kind], progress?: number|null, doing?: string}} Explored
 */

/** An error of the service, with its reason; status 0: no response. */
export class ServiceError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>} the JSON of the response
 */
async function request(path, options = {}) {
  let response
  try {
    response = await fetch(path, options)
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error
    throw new ServiceError(0, "The service does not answer. Check that it is running, then try again.")
  }
  if (response.status === 401) again()
  const body = await response.json().catch(() => null)
  if (!response.ok) throw new ServiceError(response.status, reason(body) || `${response.status} ${response.statusText}`)
  if (body === null) throw new ServiceError(response.status, "The response of the service is not JSON.")
  return body
}

/** @param {{error?: any}|null} body of ours, or of BentoML @returns {string|undefined} */
const reason = body => body?.error?.message ?? body?.error

/** @returns {Promise<Library>} */
export const library = () => request("library")

/** @typedef {[name: string, value: string]} Field of a form */

/** @param {Field[]} fields @param {AbortSignal} signal @returns {Promise<Hit[]>} */
export async function search(fields, signal) {
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  return (await request("search", { method: "POST", body: form, signal })).hits
}

/** @param {string} id @param {AbortSignal} [signal] @returns {Promise<Moment>} */
export const about = (id, signal) => request(`frames/${encodeURIComponent(id)}/about`, { signal })

/** @param {string} id @param {AbortSignal} signal @returns {Promise<Recording & Media>} */
export const recording = (id, signal) => request(`recordings/${encodeURIComponent(id)}`, { signal })

/**
 * Keep a picture, so that an address can name it.
 * @param {File} file
 * @param {AbortSignal} signal
 * @returns {Promise<{id: string}>}
 */
export function keepPicture(file, signal) {
  const form = new FormData()
  form.append("image", file)
  return request("pictures", { method: "POST", body: form, signal })
}

/**
 * @template {keyof Found} Kind
 * @param {Kind} kind
 * @param {AbortSignal} signal
 * @returns {Promise<Explored<Kind>>}
 */
export const explore = (kind, signal) => request(`explore/${String(kind)}`, { signal })

/** @param {string} id */
export const mediaUrl = id => `recordings/${encodeURIComponent(id)}/media`

/** @param {string} id */
export const pictureUrl = id => `pictures/${encodeURIComponent(id)}`

/** @param {string} id @param {number} time_s @param {number} px */
export const recordingThumb = (id, time_s, px) =>
  `recordings/${encodeURIComponent(id)}/thumb?t=${Math.max(0, Math.round(time_s * 1000) / 1000)}&px=${px}`

/** @param {string} id @param {number} px */
export const frameThumb = (id, px) => `frames/${encodeURIComponent(id)}/thumb?px=${px}`

/** @param {string} id */
export const frameFull = id => `frames/${encodeURIComponent(id)}`

/** @param {Moment} moment @param {number} px */
export const thumb = (moment, px) =>
  moment.id ? frameThumb(moment.id, px) : recordingThumb(moment.source_id, moment.time_s, px)
