/** Times, spans and similarities as a person reads them. */

/** @import { Moment } from "./api.js" */

import { wall, zone } from "./zone.js"

/** 12.5 -> 0:12.5, 3723 -> 1:02:03. @param {number} seconds */
export function clip(seconds, digits = 1) {
  const tenths = Math.round(Math.max(0, seconds) * 10 ** digits) / 10 ** digits
  const [h, m, s] = [Math.floor(tenths / 3600), Math.floor(tenths / 60) % 60, tenths % 60]
  const rest = s.toFixed(digits).replace(/\.0+$/, "").padStart(2, "0")
  return h ? `${h}:${pad(m)}:${pad2(rest)}` : `${m}:${pad2(rest)}`
}

/** @param {number} number */
const pad = number => String(number).padStart(2, "0")
/** @param {string} text of seconds, perhaps with digits after the point */
const pad2 = text => (text.split(".")[0].length < 2 ? `0${text}` : text)

/** A length of time: 4 s, 2:05 min, 3.2 h. @param {number} seconds */
export function length(seconds) {
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`
  return seconds < 3600 ? `${clip(seconds, 0)} min` : `${(seconds / 3600).toFixed(1)} h`
}

/** @param {Date} date */
export function day(date, { weekday = true } = {}) {
  const year = wall(date).slice(0, 4) === wall(new Date()).slice(0, 4) ? undefined : "numeric"
  return dayFormat(zone(), weekday && !year ? "short" : undefined, year).format(date)
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map()

/**
 * Cached: making a format takes longer than using it a thousand times.
 * @param {string} timeZone
 * @param {"short"|undefined} weekday
 * @param {"numeric"|undefined} year
 */
function dayFormat(timeZone, weekday, year) {
  const key = [timeZone, weekday, year].join()
  const known = formats.get(key)
  if (known) return known
  const made = new Intl.DateTimeFormat(undefined, { timeZone, weekday, day: "numeric", month: "short", year })
  formats.set(key, made)
  return made
}

/** @param {Date} date */
export const time = (date, seconds = true) => wall(date).slice(11, seconds ? 19 : 16)

/** When it was: by the clock if that is known, else within the recording. @param {Moment} moment */
export function when(moment) {
  if (!moment.captured_at) return `at ${clip(moment.time_s)}`
  const date = new Date(moment.captured_at)
  return `${day(date)}, ${time(date)}`
}

/**
 * How long the moment lasts, and where that is within its recording.
 * @param {Pick<Moment, "span_s"|"time_s">} moment
 */
export function span({ span_s, time_s }) {
  const [from, to] = span_s ?? [time_s, time_s]
  return to > from ? `${clip(from)}\u2013${clip(to)}` : clip(time_s)
}

/** @param {number} number a similarity */
export const score = number => number.toFixed(3)

/** What a similarity means on this camera. @param {Moment} moment */
export const percentile = ({ camera, percentile: share }) =>
  share == null
    ? ""
    : `More similar than ${share >= 99.95 && share < 100 ? share.toFixed(2) : share.toFixed(1)} % of the other frames of ${camera}`

/** @param {number} number @param {string} singular @param {string} [many] the word for several */
export const count = (number, singular, many = `${singular}s`) =>
  `${number.toLocaleString()} ${number === 1 ? singular : many}`

/** @param {string} source */
export const fileName = source => source.split(/[/\\]/).pop() ?? ""
