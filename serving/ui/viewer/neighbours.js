/** Frames before and after a moment, and other hits of its recording. */

/** @import { Moment, Recording } from "../core/api.js" */

import { recordingThumb, thumb } from "../core/api.js"
import { all, element } from "../core/dom.js"
import * as format from "../core/format.js"

const EACH_SIDE = 4
const MOST_OTHERS = 12

/** Seconds between neighbours: fewer in short recordings. @param {number} length_s */
const apart = length_s => (length_s <= 20 ? 1 : length_s <= 600 ? 5 : 15)

/**
 * @param {Moment} moment
 * @param {Recording} recording
 * @param {(time_s: number) => void} onChoose
 */
export function strip(moment, recording, onChoose) {
  const step = apart(recording.length_s)
  const times = Array.from({ length: 2 * EACH_SIDE + 1 }, (_, n) => moment.time_s + (n - EACH_SIDE) * step)
  const within = times.filter(time_s => time_s >= 0 && time_s <= recording.length_s)
  return element(
    "ul",
    { className: "strip", "aria-label": "Before and after" },
    ...within.map(time_s => neighbour(moment, time_s, onChoose))
  )
}

/** @param {Moment} moment @param {number} time_s @param {(time_s: number) => void} onChoose */
function neighbour(moment, time_s, onChoose) {
  const apart_s = time_s - moment.time_s
  const text = apart_s ? `${apart_s < 0 ? "\u2212" : "+"}${Math.abs(apart_s)} s` : "this"
  const image = element("img", { alt: "", loading: "lazy", src: recordingThumb(moment.source_id, time_s, 160) })
  const label = apart_s
    ? `${format.length(Math.abs(apart_s))} ${apart_s < 0 ? "before" : "after"}`
    : "The moment itself"
  return element(
    "li",
    {},
    element(
      "button",
      { "data-test": "neighbour", "data-time": time_s, "aria-label": label, onclick: () => onChoose(time_s) },
      element("span", { className: "well" }, image),
      element("span", { className: "strip-time" }, text)
    )
  )
}

/** Mark the neighbour that is nearest to a time. @param {HTMLElement} list @param {number} time_s */
export function markTime(list, time_s) {
  const buttons = all(list, "[data-time]")
  const distances = buttons.map(button => Math.abs(Number(button.dataset.time) - time_s))
  const nearest = buttons[distances.indexOf(Math.min(...distances))]
  buttons.forEach(button =>
    button === nearest ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")
  )
}

/** @param {Moment} moment @param {Moment[]} moments @param {(moment: Moment) => void} onOpen */
export function others(moment, moments, onOpen) {
  const same = moments
    .filter(hit => hit.source_id === moment.source_id && hit.id !== moment.id)
    .slice(0, MOST_OTHERS)
    .sort((a, b) => a.time_s - b.time_s)
  if (!same.length) return null
  return element(
    "section",
    {},
    element("h3", {}, "Also in this recording"),
    element("ul", { className: "others" }, ...same.map(hit => hitButton(hit, onOpen)))
  )
}

/** @param {Moment} moment @param {(moment: Moment) => void} onOpen */
function hitButton(moment, onOpen) {
  const at = format.clip(moment.time_s)
  const label = moment.score == null ? `At ${at}` : `At ${at}, similarity ${format.score(moment.score)}`
  return element(
    "li",
    {},
    element(
      "button",
      { "aria-label": label, onclick: () => onOpen(moment) },
      element("span", { className: "well" }, element("img", { alt: "", loading: "lazy", src: thumb(moment, 160) })),
      element("span", { className: "strip-time" }, at)
    )
  )
}
