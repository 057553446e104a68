/** Answers over the footage's extent: a lane for each camera, recordings as bars, moments as marks. */

import { thumb } from "./api.js"
import { add } from "./ask.js"
import { makeAxis, roundTimes, ticks } from "./axis.js"
import { by, element } from "./dom.js"
import { ofMoment } from "./examples.js"
import * as format from "./format.js"
import { cameras, extent, stored } from "./library.js"
import { momentIn } from "./moments.js"
import { latest, shown } from "./search.js"
import { change, current } from "./state.js"
import { wall } from "./zone.js"

const TICK_PX = 92
const TAP_PX = 4
const MARGIN = 0.04 // of the time between bounds that were set, shown beyond them

let open
const peek = element("div", { className: "peek", hidden: true, "aria-hidden": "true" })

export function begin(openMoment) {
  open = openMoment
  by("timeline").addEventListener("keydown", onKey)
  for (const name of ["pointerover", "focusin"]) by("timeline").addEventListener(name, event => showPeek(event.target.closest(".mark")))
  by("timeline").addEventListener("pointerleave", () => showPeek(null))
  new ResizeObserver(() => current().view === "timeline" && !by("timeline").hidden && render()).observe(by("results"))
}

export function render() {
  if (current().view !== "timeline" || latest().phase === "idle") return by("timeline").replaceChildren()
  const focused = document.activeElement?.closest?.(".mark")?.dataset.id
  const parts = [datedPart(), secondsPart()].filter(part => part.recordings.length || part.hits.length)
  by("timeline").replaceChildren(...parts.map((part, n) => section(part, parts.length > 1, n === 0)), peek)
  if (focused) by("timeline").querySelector(`.mark[data-id="${CSS.escape(focused)}"]`)?.focus()
}

/**
 * Footage that shares an axis, and how times of that axis are read and written.
 * @typedef {Object} Part
 * @property {string} title
 * @property {import("./api.js").Recording[]} recordings
 * @property {import("./api.js").Moment[]} hits
 * @property {(one: import("./api.js").Recording) => [number, number]} extent
 * @property {(hit: import("./api.js").Moment) => number} time of a moment
 * @property {(text: string) => number} read a bound, NaN if it is of the other kind
 * @property {(time: number) => string} write a bound
 * @property {(axis: object) => {time: number, text: string}[]} labels
 * @property {(one: import("./api.js").Recording, time: number) => number} within seconds in the recording
 */

const isChosen = one => !current().camera.length || current().camera.includes(one.camera)

/** @returns {Part} */
function datedPart() {
  return {
    title: "By date",
    recordings: stored().recordings.filter(one => one.began_at && isChosen(one)),
    hits: shown().filter(hit => hit.captured_at),
    extent,
    time: hit => Date.parse(hit.captured_at),
    read: text => (/^\d{4}-/.test(text) ? Date.parse(text) : NaN),
    write: time => `${new Date(time).toISOString().slice(0, 19)}Z`,
    labels: dateLabels,
    within: (one, time) => (time - Date.parse(one.began_at)) / 1000,
  }
}

/** @returns {Part} */
function secondsPart() {
  return {
    title: "Without a date: seconds within the recording",
    recordings: stored().recordings.filter(one => !one.began_at && isChosen(one)),
    hits: shown().filter(hit => !hit.captured_at),
    extent: one => [0, one.length_s],
    time: hit => hit.time_s,
    read: text => (text === "" || /^\d{4}-/.test(text) ? NaN : Number(text)),
    write: time => String(Math.round(time * 10) / 10),
    labels: axis => roundTimes(axis, 10, 1).map(time => ({ time, text: format.clip(time) })),
    within: (_, time) => time,
  }
}

/** Days first, then when a recording began, then round times. */
function dateLabels(axis) {
  const begins = axis.pieces.filter(piece => piece.isFootage).map(piece => piece.from)
  const round = roundTimes(axis, 10, 1000)
  const days = new Map()
  for (const time of [...begins, ...round]) {
    const day = wall(new Date(time)).slice(0, 10)
    days.set(day, Math.min(time, days.get(day) ?? Infinity))
  }
  const seconds = axis.pieces.at(-1).to - axis.pieces[0].from < 600_000
  const clock = time => ({ time, text: format.time(new Date(time), seconds) })
  return [...[...days.values()].map(time => ({ time, text: format.day(new Date(time), { weekday: false }) })), ...begins.map(clock), ...round.map(clock)]
}

function section(part, isTitled, isFirst) {
  const { intervals, bounds, isNarrow } = extents(part)
  const axis = makeAxis(intervals, bounds)
  const scores = shown().map(one => one.score)
  const range = [Math.min(...scores), Math.max(...scores)]
  const lanes = laneNames(part).map(name => lane(part, axis, name, range))
  const tracks = element("div", { className: "lanes" }, ...lanes)
  brush(tracks, part, axis)
  return element("section", { className: "timeline-part" },
    element("div", { className: "timeline-head" }, isTitled ? element("h2", {}, part.title) : null,
      isNarrow ? element("button", { className: "plain", onclick: () => change({ since: "", until: "" }) }, "Show the whole time") : isFirst && element("span", { className: "note" }, "Drag over the lanes to set the time.")),
    element("div", { className: "ticks", "aria-hidden": "true" }, ...tickMarks(part, axis)), tracks)
}

/** Of all footage, or of what lies between the bounds that are set. */
function extents(part) {
  const intervals = [...part.recordings.map(part.extent), ...part.hits.map(hit => [part.time(hit), part.time(hit)])]
  const [from, to] = [Math.min(...intervals.map(one => one[0])), Math.max(...intervals.map(one => one[1]))]
  const [since, until] = [part.read(current().since), part.read(current().until)]
  const [first, last] = [Number.isNaN(since) ? from : since, Number.isNaN(until) ? to : until]
  const isNarrow = first > from || last < to
  const margin = isNarrow ? (last - first) * MARGIN : 0
  return { intervals, isNarrow, bounds: [Math.max(from, first - margin), Math.min(to, last + margin)] }
}

function laneNames(part) {
  const own = new Set([...part.recordings, ...part.hits].map(one => one.camera))
  return [...new Set([...cameras(), ...own])].filter(name => own.has(name))
}

function tickMarks(part, axis) {
  const width = Math.max(200, by("results").clientWidth - 190)
  return ticks(axis, part.labels(axis), TICK_PX / width).map(({ at, text }) => element("span", { style: { left: percent(at) } }, text))
}

const percent = share => `${share * 100}%`

function lane(part, axis, name, scores) {
  const hits = part.hits.filter(hit => hit.camera === name)
  const bars = part.recordings.filter(one => one.camera === name).map(one => bar(part, axis, one))
  const inTime = [...hits].sort((a, b) => part.time(a) - part.time(b))
  const marks = inTime.map((hit, n) => mark(part, axis, hit, scores, n === 0))
  const label = `${name}: ${format.count(hits.length, "moment")}`
  return element("div", { className: "lane", "data-test": "lane", "data-camera": name, role: "group", "aria-label": label },
    element("span", { className: "lane-name", title: name }, element("span", {}, name), element("span", { className: "count" }, hits.length ? String(hits.length) : "")),
    element("div", { className: "track" }, ...bars, ...marks))
}

function bar(part, axis, recording) {
  const [from, to] = part.extent(recording)
  const [left, right] = [axis.place(from), axis.place(to)]
  const isOutside = to < axis.pieces[0].from || from > axis.pieces.at(-1).to
  return element("span", { className: "footage", hidden: isOutside, "data-source-id": recording.source_id, style: { left: percent(left), width: percent(right - left) } })
}

function mark(part, axis, hit, [least, most], isFirst) {
  const share = most > least ? (hit.score - least) / (most - least) : 1
  const label = `${hit.camera}, ${format.when(hit)}, similarity ${format.score(hit.score)}`
  const data = { "data-test": "mark", "data-id": hit.id, "data-share": share }
  return element("button", { className: "mark", ...data, "aria-label": label, tabIndex: isFirst ? 0 : -1, onclick: () => open(hit), style: { left: percent(axis.place(part.time(hit))), "z-index": String(1 + Math.round(share * 100)) } },
    element("i", { style: { height: percent(0.3 + 0.7 * share) } }))
}

/** A drag sets the bounds; a tap on a bar looks at that time of its recording. */
function brush(tracks, part, axis) {
  const band = element("span", { className: "brush", hidden: true })
  tracks.append(band)
  tracks.onpointerdown = event => {
    const track = event.target.closest(".track")
    if (!track || event.button !== 0 || event.target.closest(".mark")) return
    event.preventDefault()
    tracks.setPointerCapture(event.pointerId)
    const box = track.getBoundingClientRect()
    const share = next => Math.min(1, Math.max(0, (next.clientX - box.left) / box.width))
    const range = next => [share(event), share(next)].sort((a, b) => a - b)
    tracks.onpointermove = next => showBand(band, tracks, box, range(next))
    tracks.onpointerup = tracks.onpointercancel = next => {
      tracks.onpointermove = tracks.onpointerup = tracks.onpointercancel = null
      band.hidden = true
      if (next.type === "pointercancel") return
      Math.abs(next.clientX - event.clientX) < TAP_PX ? tap(part, axis, event, share(event)) : setBounds(part, axis, range(next))
    }
  }
}

function showBand(band, tracks, box, [from, to]) {
  band.hidden = false
  band.style.left = `${box.left - tracks.getBoundingClientRect().left + from * box.width}px`
  band.style.width = `${(to - from) * box.width}px`
}

function setBounds(part, axis, [from, to]) {
  const bounds = [part.write(axis.time(from)), part.write(axis.time(to))]
  if (bounds[0] !== bounds[1]) change({ since: bounds[0], until: bounds[1] })
}

function tap(part, axis, event, share) {
  const recording = part.recordings.find(one => one.source_id === event.target.dataset.sourceId)
  if (recording) open(momentIn(recording, part.within(recording, axis.time(share))))
}

function showPeek(chosen) {
  const hit = chosen && shown().find(one => one.id === chosen.dataset.id)
  peek.hidden = !hit
  if (!hit) return
  peek.replaceChildren(element("span", { className: "well" }, element("img", { alt: "", src: thumb(hit, 320) })),
    element("span", { className: "card-line" }, element("b", {}, hit.camera), element("span", {}, format.score(hit.score))), element("span", { className: "card-line quiet" }, format.when(hit)))
  const [around, own] = [by("timeline").getBoundingClientRect(), chosen.getBoundingClientRect()]
  const left = own.left - around.left + own.width / 2 - peek.offsetWidth / 2
  peek.style.left = `${Math.max(0, Math.min(around.width - peek.offsetWidth, left))}px`
  peek.style.top = `${own.bottom - around.top + 8}px`
}

/** Left and right go along a lane, up and down to the nearest mark of another; + and - take one as an example. */
function onKey(event) {
  const from = event.target.closest(".mark")
  if (!from || event.altKey || event.ctrlKey || event.metaKey) return
  const hit = shown().find(one => one.id === from.dataset.id)
  if (event.key === "+") return add("like", ofMoment(hit))
  if (event.key === "-") return add("unlike", ofMoment(hit))
  const to = along(from, { ArrowLeft: -1, ArrowRight: 1 }[event.key]) ?? across(from, { ArrowUp: -1, ArrowDown: 1 }[event.key])
  if (!to) return
  event.preventDefault()
  to.closest(".lane").querySelectorAll(".mark").forEach(one => (one.tabIndex = one === to ? 0 : -1))
  to.focus()
}

function along(from, step) {
  const marks = [...from.closest(".lane").querySelectorAll(".mark")]
  return step && marks[marks.indexOf(from) + step]
}

function across(from, step) {
  const lanes = [...by("timeline").querySelectorAll(".lane")].filter(one => one.querySelector(".mark"))
  const lane = step && lanes[lanes.indexOf(from.closest(".lane")) + step]
  const left = one => Math.abs(parseFloat(one.style.left) - parseFloat(from.style.left))
  return lane && [...lane.querySelectorAll(".mark")].reduce((best, one) => (left(one) < left(best) ? one : best))
}
