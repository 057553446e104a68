/** The sections of a timeline, each with its axis: footage with dates, and by seconds footage without dates. */

/** @import { Hit, Recording } from "../core/api.js" */
/** @import { Axis, Interval } from "./axis.js" */

import { stored } from "../browse/library.js"
import * as format from "../core/format.js"
import { current } from "../core/state.js"
import { wall } from "../core/zone.js"
import { shown } from "../query/search.js"
import { roundTimes } from "./axis.js"

const MARGIN = 0.04 // of the time between bounds that were set, shown beyond them

/**
 * Footage that shares an axis, and how times of that axis are read and written.
 * @typedef {Object} Section
 * @property {string} title
 * @property {Recording[]} recordings
 * @property {Hit[]} hits
 * @property {(recording: Recording) => Interval} extent
 * @property {(hit: Hit) => number} time of a moment
 * @property {(text: string) => number} read a bound, NaN if it belongs to the other section
 * @property {(time: number) => string} write a bound
 * @property {(axis: Axis) => {time: number, text: string}[]} labels
 * @property {(recording: Recording, time: number) => number} within seconds in the recording
 */

/** @param {Recording} recording */
const isChosen = recording => !current().camera.length || current().camera.includes(recording.camera)

/** @returns {Section} */
export function datedSection() {
  /** @param {Recording} recording */
  const began = recording => Date.parse(recording.began_at ?? "")
  return {
    title: "By date",
    recordings: stored().recordings.filter(recording => recording.began_at && isChosen(recording)),
    hits: shown().filter(hit => hit.captured_at),
    extent: recording => [began(recording), began(recording) + recording.length_s * 1000],
    time: hit => Date.parse(hit.captured_at ?? ""),
    read: text => (/^\d{4}-/.test(text) ? Date.parse(text) : NaN),
    write: time => `${new Date(time).toISOString().slice(0, 19)}Z`,
    labels: dateLabels,
    within: (recording, time) => (time - began(recording)) / 1000,
  }
}

/** @returns {Section} */
export function secondsSection() {
  return {
    title: "Without a date: seconds within the recording",
    recordings: stored().recordings.filter(recording => !recording.began_at && isChosen(recording)),
    hits: shown().filter(hit => !hit.captured_at),
    extent: recording => [0, recording.length_s],
    time: hit => hit.time_s,
    read: text => (text === "" || /^\d{4}-/.test(text) ? NaN : Number(text)),
    write: time => String(Math.round(time * 10) / 10),
    labels: axis => roundTimes(axis, 10, 1).map(time => ({ time, text: format.clip(time) })),
    within: (_, time) => time,
  }
}

/** Days first, then when a recording began, then round times. @param {Axis} axis */
function dateLabels(axis) {
  const begins = axis.pieces.filter(piece => piece.isFootage).map(piece => piece.from)
  const shift = Date.parse(`${wall(new Date(begins[0]))}Z`) - Math.floor(begins[0] / 1000) * 1000
  const round = roundTimes(axis, 10, 1000, shift)
  /** @type {Map<string, number>} */
  const days = new Map()
  for (const time of [...begins, ...round]) {
    const day = wall(new Date(time)).slice(0, 10)
    days.set(day, Math.min(time, days.get(day) ?? Infinity))
  }
  const seconds = axis.pieces[axis.pieces.length - 1].to - axis.pieces[0].from < 600_000
  /** @param {number} time */
  const clock = time => ({ time, text: format.time(new Date(time), seconds) })
  return [
    ...[...days.values()].map(time => ({ time, text: format.day(new Date(time), { weekday: false }) })),
    ...begins.map(clock),
    ...round.map(clock),
  ]
}

/**
 * Of all footage, or of what lies between the bounds that are set.
 * @param {Section} section
 * @returns {{intervals: Interval[], isNarrow: boolean, bounds: Interval}}
 */
export function extents(section) {
  const times = section.hits.map(section.time)
  /** @type {Interval[]} */
  const intervals = [
    ...section.recordings.map(section.extent),
    ...times.map(time => /** @type {Interval} */ ([time, time])),
  ]
  const [from, to] = [
    Math.min(...intervals.map(interval => interval[0])),
    Math.max(...intervals.map(interval => interval[1])),
  ]
  const [since, until] = [section.read(current().since), section.read(current().until)]
  const [first, last] = [Number.isNaN(since) ? from : since, Number.isNaN(until) ? to : until]
  const isNarrow = first > from || last < to
  const margin = isNarrow ? (last - first) * MARGIN : 0
  return { intervals, isNarrow, bounds: [Math.max(from, first - margin), Math.min(to, last + margin)] }
}
