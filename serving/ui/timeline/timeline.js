/** Answers over the footage's extent: a lane for each camera, recordings as bars, moments as marks. */

import { thumb } from "../core/api.js"
import { add } from "../query/query-panel.js"
import { makeAxis, merged, ticks } from "./axis.js"
import { brush } from "./brush.js"
import { by, element } from "../core/dom.js"
import { ofMoment } from "../query/examples.js"
import * as format from "../core/format.js"
import { cameras } from "../browse/library.js"
import { datedPart, extents, secondsPart } from "./sections.js"
import { latest, shown } from "../query/search.js"
import { change, current } from "../core/state.js"

const TICK_PX = 92
const SEEN = 0.001 // of the line: bars that are nearer than this are drawn as one

let open
const peek = element("div", { className: "peek", hidden: true, "aria-hidden": "true" })

export function begin(openMoment) {
  open = openMoment
  by("timeline").addEventListener("keydown", onKey)
  for (const name of ["pointerover", "focusin"])
    by("timeline").addEventListener(name, event => showPeek(event.target.closest(".mark")))
  by("timeline").addEventListener("pointerleave", () => showPeek(null))
  new ResizeObserver(() => current().view === "timeline" && !by("timeline").hidden && render()).observe(by("results"))
}

export function render() {
  if (current().view !== "timeline" || latest().phase === "idle") return by("timeline").replaceChildren()
  const focused = document.activeElement?.closest?.(".mark")?.dataset.id
  const parts = [datedPart(), secondsPart()].filter(part => part.recordings.length || part.hits.length)
  by("timeline").replaceChildren(...parts.map((part, n) => section(part, parts.length > 1, n === 0)), peek)
  if (focused)
    by("timeline")
      .querySelector(`.mark[data-id="${CSS.escape(focused)}"]`)
      ?.focus()
}

function section(part, isTitled, isFirst) {
  const { intervals, bounds, isNarrow } = extents(part)
  const axis = makeAxis(intervals, bounds)
  const scores = shown().map(one => one.score)
  const range = [Math.min(...scores), Math.max(...scores)]
  const lanes = laneNames(part).map(name => lane(part, axis, name, range))
  const tracks = element("div", { className: "lanes" }, ...lanes)
  brush(tracks, part, axis, open)
  const whole =
    isNarrow &&
    element("button", { className: "plain", onclick: () => change({ since: "", until: "" }) }, "Show the whole time")
  const hint = isFirst && element("span", { className: "note" }, "Drag over the lanes to set the time.")
  return element(
    "section",
    { className: "timeline-part" },
    element("div", { className: "timeline-head" }, isTitled && element("h2", {}, part.title), whole || hint),
    element("div", { className: "ticks", "aria-hidden": "true" }, ...tickMarks(part, axis)),
    tracks
  )
}

function laneNames(part) {
  const own = new Set([...part.recordings, ...part.hits].map(one => one.camera))
  return [...new Set([...cameras(), ...own])].filter(name => own.has(name))
}

function tickMarks(part, axis) {
  const beside = matchMedia("(max-width: 800px)").matches ? 32 : 180 // what the margins and the names of lanes take
  const width = by("results").clientWidth - beside
  return ticks(axis, part.labels(axis), TICK_PX / width).map(({ at, text, isLeft }) =>
    element(
      "span",
      { className: isLeft ? "left" : "", style: isLeft ? { right: percent(1 - at) } : { left: percent(at) } },
      text
    )
  )
}

const percent = share => `${share * 100}%`

function lane(part, axis, name, scores) {
  const hits = part.hits.filter(hit => hit.camera === name)
  const own = part.recordings.filter(one => one.camera === name).map(one => part.extent(one).map(axis.place))
  const bars = merged(own, SEEN).map(([left, right]) =>
    element("span", { className: "footage", style: { left: percent(left), width: percent(right - left) } })
  )
  const inTime = [...hits].sort((a, b) => part.time(a) - part.time(b))
  const marks = inTime.map((hit, n) => mark(part, axis, hit, scores, n === 0))
  const label = `${name}: ${format.count(hits.length, "moment")}`
  return element(
    "div",
    {
      className: "lane",
      "data-test": "lane",
      "data-camera": name,
      "data-none": !hits.length,
      role: "group",
      "aria-label": label,
    },
    element(
      "span",
      { className: "lane-name", title: name },
      element("span", {}, name),
      element("span", { className: "count" }, hits.length ? String(hits.length) : "")
    ),
    element("div", { className: "track" }, ...bars, ...marks)
  )
}

function mark(part, axis, hit, [least, most], isFirst) {
  const share = most > least ? (hit.score - least) / (most - least) : 1
  const label = `${hit.camera}, ${format.when(hit)}, similarity ${format.score(hit.score)}`
  const data = { "data-test": "mark", "data-id": hit.id, "data-share": share }
  const style = { left: percent(axis.place(part.time(hit))), "z-index": String(1 + Math.round(share * 100)) }
  return element(
    "button",
    { className: "mark", ...data, "aria-label": label, tabIndex: isFirst ? 0 : -1, onclick: () => open(hit), style },
    element("i", { style: { height: percent(0.3 + 0.7 * share) } })
  )
}

function showPeek(chosen) {
  const hit = chosen && shown().find(one => one.id === chosen.dataset.id)
  peek.hidden = !hit
  if (!hit) return
  peek.replaceChildren(
    element("span", { className: "well" }, element("img", { alt: "", src: thumb(hit, 320) })),
    element(
      "span",
      { className: "card-line" },
      element("b", {}, hit.camera),
      element("span", {}, format.score(hit.score))
    ),
    element("span", { className: "card-line quiet" }, format.when(hit))
  )
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
  const to =
    along(from, { ArrowLeft: -1, ArrowRight: 1 }[event.key]) ?? across(from, { ArrowUp: -1, ArrowDown: 1 }[event.key])
  if (!to) return
  event.preventDefault()
  to.closest(".lane")
    .querySelectorAll(".mark")
    .forEach(one => (one.tabIndex = one === to ? 0 : -1))
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
