/** What the service answers. Addresses are relative, so that a proxy may serve it under any path. */

import { parse } from "../query/examples.js"

/**
 * @typedef {Object} Moment
 * @property {string} [id] of a frame; a moment of a recording that was not searched for has none
 * @property {string} source_id
 * @property {string} source
 * @property {string} camera
 * @property {number} time_s
 * @property {[number, number]} span_s
 * @property {string|null} captured_at
 * @property {string|null} [region]
 * @property {string|null} [asked] the part of the query that found it, or "difference"
 * @property {number} [score]
 * @property {number} [percentile]
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
 * @property {boolean} served
 */

/** A refusal of the service, with its reason; status 0: it did not answer. */
class ServiceError extends Error {
  constructor(status, message) {
    super(message)
    this.status = status
  }
}

async function request(path, options = {}) {
  let response
  try {
    response = await fetch(path, options)
  } catch (error) {
    if (error.name === "AbortError") throw error
    throw new ServiceError(0, "The service does not answer. See whether it still runs, then try again.")
  }
  const answer = await response.json().catch(() => null)
  if (!response.ok)
    throw new ServiceError(response.status, reason(answer) || `${response.status} ${response.statusText}`)
  if (answer === null) throw new ServiceError(response.status, "The service answered with something that is no JSON.")
  return { answer, status: response.status }
}

const reason = answer => answer?.error?.message ?? answer?.error

/**
 * @typedef {{colour: number, layout: number}} Weights
 * @returns {Promise<{space: string, frames: number, recordings: Recording[], parts: string[], weights: {crop: Weights, frame: Weights}}>}
 *   parts: of an embedding, none if it is one piece
 */
export const library = async () => (await request("library")).answer

/** @returns {Promise<Moment[]>} */
export async function search(fields, signal) {
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  return (await request("search", { method: "POST", body: form, signal })).answer.hits
}

/** @returns {Promise<Moment>} */
export const about = async (id, signal) => (await request(`frames/${encodeURIComponent(id)}/about`, { signal })).answer

/** @returns {Promise<Recording & {width: number, height: number, fps: number, media: string, progress: number, reason: string, offset_s: number}>} */
export const recording = async (id, signal) =>
  (await request(`recordings/${encodeURIComponent(id)}`, { signal })).answer

/** Keep a picture, so that an address can name it. @returns {Promise<{id: string}>} */
export async function keepPicture(file, signal) {
  const form = new FormData()
  form.append("image", file)
  return (await request("pictures", { method: "POST", body: form, signal })).answer
}

/** @returns {Promise<{found?: any[], progress?: number|null, doing?: string}>} found is there when it is done */
export const explore = async (kind, signal) => (await request(`explore/${kind}`, { signal })).answer

export const mediaUrl = id => `recordings/${encodeURIComponent(id)}/media`

export const recordingThumb = (id, time_s, px) =>
  `recordings/${encodeURIComponent(id)}/thumb?t=${Math.max(0, Math.round(time_s * 1000) / 1000)}&px=${px}`

const frameThumb = (id, px) => `frames/${encodeURIComponent(id)}/thumb?px=${px}`

export const frameFull = id => `frames/${encodeURIComponent(id)}`

/** @param {Moment} moment */
export const thumb = (moment, px) =>
  moment.id ? frameThumb(moment.id, px) : recordingThumb(moment.source_id, moment.time_s, px)

export function exampleThumb(text, px) {
  const { kind, id, time_s } = parse(text)
  if (kind === "picture") return `pictures/${encodeURIComponent(id)}`
  return kind === "moment" ? recordingThumb(id, time_s, px) : frameThumb(id, px)
}
