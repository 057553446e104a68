/**
 * Examples of a search, as /search takes them: `FRAME`, `picture:ID` or `SOURCE@SECONDS`, each with
 * `#x,y,w,h`.
 */

/** @import { Moment } from "../core/api.js" */

import { frameThumb, pictureUrl, recordingThumb } from "../core/api.js"

/**
 * In shares of the picture.
 * @typedef {{x: number, y: number, w: number, h: number}} Region
 *
 * @typedef {Object} Example
 * @property {"frame"|"picture"|"moment"} kind
 * @property {string} id of a frame, picture or recording
 * @property {number} time_s of a moment
 * @property {Region|null} region
 */

/** @param {string} text @returns {Example} */
export function parse(text) {
  const [what, part] = text.split("#")
  const region = part ? readRegion(part) : null
  if (what.startsWith("picture:")) return { kind: "picture", id: what.slice(8), time_s: 0, region }
  const [id, time] = what.split("@")
  if (time === undefined) return { kind: "frame", id, time_s: 0, region }
  return { kind: "moment", id, time_s: Number(time) || 0, region }
}

/** @param {Example} example */
export function write({ kind, id, time_s, region }) {
  const what = { frame: id, picture: `picture:${id}`, moment: `${id}@${round(time_s)}` }[kind]
  return region ? `${what}#${writeRegion(region)}` : what
}

/** @param {string} text @param {Region|null} region */
export const withRegion = (text, region) => write({ ...parse(text), region })

/** @param {string} id of a recording @param {number} time_s */
export const moment = (id, time_s) => write({ kind: "moment", id, time_s, region: null })

/**
 * A moment as an example: its frame, or else a time of its recording.
 * @param {Moment} hit
 */
export const ofMoment = hit => hit.id ?? moment(hit.source_id, hit.time_s)

/** @param {string} text @returns {Region} */
export function readRegion(text) {
  const [x, y, w, h] = text.split(",").map(Number)
  return { x, y, w, h }
}

/** @param {Region} region */
const writeRegion = ({ x, y, w, h }) => [x, y, w, h].map(round).join(",")

/** @param {number} number */
const round = number => String(Math.round(number * 1000) / 1000)

/** @param {Region} region @returns {Record<string, string>} the style of what lies over a picture there */
export const inset = ({ x, y, w, h }) => ({
  left: `${x * 100}%`,
  top: `${y * 100}%`,
  width: `${w * 100}%`,
  height: `${h * 100}%`,
})

/** The address of an example's picture. @param {string} text @param {number} px */
export function exampleThumb(text, px) {
  const { kind, id, time_s } = parse(text)
  if (kind === "picture") return pictureUrl(id)
  return kind === "moment" ? recordingThumb(id, time_s, px) : frameThumb(id, px)
}
