/** Results over the footage's extent: a lane for each camera, recordings as bars, moments as marks. */

/** @import { Hit, Moment } from "../core/api.js" */
/** @import { Axis } from "./axis.js" */
/** @import { Section } from "./sections.js" */

import { cameras } from "../browse/library.js"
import { thumb } from "../core/api.js"
import { all, around, by, element, first, focused, pick } from "../core/dom.js"
import * as format from "../core/format.js"
import { change, current } from "../core/state.js"
import { ofMoment } from "../query/examples.js"
import { add } from "../query/query-panel.js"
import { latest, shown } from "../query/search.js"
import { makeAxis, merged, ticks } from "./axis.js"
import { brush } from "./brush.js"
import { datedSection, extents, secondsSection } from "./sections.js"

const TICK_PX = 92
const SEEN = 0.001 // of the line: bars that are nearer than this are merged

/** @type {(moment: Moment) => void} */
let open
const peek = element("div", { className: "peek", hidden: true, "aria-hidden": "true" })

/** @param {(moment: Moment) => void} openMoment */
export function begin(openMoment) {
  open = openMoment
  by("timeline").addEventListener("keydown", onKey)
  for (const name of ["pointerover", "focusin"])
    by("timeline").addEventListener(name, event => showPeek(around(event.target, ".mark")))
  by("timeline").addEventListener("pointerleave", () => showPeek(null))
  new ResizeObserver(() => current().view === "timeline" && !by("timeline").hidden && render()).observe(by("results"))
}

export function render() {
  if (current().view !== "timeline" || latest().phase === "idle") return by("timeline").replaceChildren()
  const before = around(focused(), ".mark")?.dataset.id
  const sections = [datedSection(), secondsSection()].filter(
    section => section.recordings.length || section.hits.length
  )
  by("timeline").replaceChildren(
    ...sections.map((section, n) => sectionElement(section, sections.length > 1, n === 0)),
    peek
  )
  if (before) first(by("timeline"), `.mark[data-id="${CSS.escape(before)}"]`)?.focus()
}

/** @param {Section} section @param {boolean} isTitled @param {boolean} isFirst */
function sectionElement(section, isTitled, isFirst) {
  const { intervals, bounds, isNarrow } = extents(section)
  const axis = makeAxis(intervals, bounds)
  const scores = shown().map(hit => hit.score)
  /** @type {[number, number]} */
  const range = [Math.min(...scores), Math.max(...scores)]
  const lanes = laneNames(section).map(name => lane(section, axis, name, range))
  const tracks = element("div", { className: "lanes" }, ...lanes)
  brush(tracks, section, axis, open)
  const whole =
    isNarrow &&
    element("button", { className: "plain", onclick: () => change({ since: "", until: "" }) }, "Show the whole time")
  const hint = isFirst && element("span", { className: "note" }, "Drag over the lanes to set the time.")
  return element(
    "section",
    { className: "timeline-section" },
    element("div", { className: "timeline-head" }, isTitled && element("h2", {}, section.title), whole || hint),
    element("div", { className: "ticks", "aria-hidden": "true" }, ...tickMarks(section, axis)),
    tracks
  )
}

/** @param {Section} section */
function laneNames(section) {
  const own = new Set([...section.recordings, ...section.hits].map(item => item.camera))
  return [...new Set([...cameras(), ...own])].filter(name => own.has(name))
}

/** @param {Section} section @param {Axis} axis */
function tickMarks(section, axis) {
  const beside = matchMedia("(max-width: 800px)").matches ? 32 : 180 // what the margins and the names of lanes take
  const width = by("results").clientWidth - beside
  return ticks(axis, section.labels(axis), TICK_PX / width).map(({ at, text, isLeft }) =>
    element(
      "span",
      { className: isLeft ? "left" : "", style: isLeft ? { right: percent(1 - at) } : { left: percent(at) } },
      text
    )
  )
}

/** @param {number} share */
const percent = share => `${share * 100}%`

/**
 * @param {Section} section
 * @param {Axis} axis
 * @param {string} name of its camera
 * @param {[least: number, most: number]} scores of all hits
 */
function lane(section, axis, name, scores) {
  const hits = section.hits.filter(hit => hit.camera === name)
  const own = section.recordings.filter(recording => recording.camera === name).map(section.extent)
  const bars = merged(
    own.map(([from, to]) => [axis.place(from), axis.place(to)]),
    SEEN
  ).map(([left, right]) =>
    element("span", { className: "footage", style: { left: percent(left), width: percent(right - left) } })
  )
  const inTime = [...hits].sort((a, b) => section.time(a) - section.time(b))
  const marks = inTime.map((hit, n) => mark(section, axis, hit, scores, n === 0))
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

/**
 * @param {Section} section
 * @param {Axis} axis
 * @param {Hit} hit
 * @param {[least: number, most: number]} scores of all hits
 * @param {boolean} isFirst of its lane
 */
function mark(section, axis, hit, [least, most], isFirst) {
  const share = most > least ? (hit.score - least) / (most - least) : 1
  const label = `${hit.camera}, ${format.when(hit)}, similarity ${format.score(hit.score)}`
  const data = { "data-test": "mark", "data-id": hit.id, "data-share": share }
  const style = { left: percent(axis.place(section.time(hit))), "z-index": String(1 + Math.round(share * 100)) }
  return element(
    "button",
    { className: "mark", ...data, "aria-label": label, tabIndex: isFirst ? 0 : -1, onclick: () => open(hit), style },
    element("i", { style: { height: percent(0.3 + 0.7 * share) } })
  )
}

/** @param {HTMLElement|null} chosen mark */
function showPeek(chosen) {
  const hit = chosen && shown().find(listed => listed.id === chosen.dataset.id)
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
  const [whole, own] = [by("timeline").getBoundingClientRect(), chosen.getBoundingClientRect()]
  const left = own.left - whole.left + own.width / 2 - peek.offsetWidth / 2
  peek.style.left = `${Math.max(0, Math.min(whole.width - peek.offsetWidth, left))}px`
  peek.style.top = `${own.bottom - whole.top + 8}px`
}

/**
 * Left and right go along a lane, up and down to the nearest mark of the next lane; + and - add a mark as an example.
 * @param {KeyboardEvent} event
 */
function onKey(event) {
  const from = around(event.target, ".mark")
  if (!from || event.altKey || event.ctrlKey || event.metaKey) return
  const hit = shown().find(listed => listed.id === from.dataset.id)
  if (hit && event.key === "+") return add("like", ofMoment(hit))
  if (hit && event.key === "-") return add("unlike", ofMoment(hit))
  const to =
    along(from, pick({ ArrowLeft: -1, ArrowRight: 1 }, event.key)) ??
    across(from, pick({ ArrowUp: -1, ArrowDown: 1 }, event.key))
  if (!to) return
  event.preventDefault()
  laneMarks(to).forEach(mark => (mark.tabIndex = mark === to ? 0 : -1))
  to.focus()
}

/** The marks of the lane that a mark is in. @param {HTMLElement} mark */
const laneMarks = mark => all(/** @type {HTMLElement} */ (around(mark, ".lane")), ".mark")

/** @param {HTMLElement} from @param {number} [step] @returns {HTMLElement|undefined} */
function along(from, step) {
  const marks = laneMarks(from)
  return step ? marks[marks.indexOf(from) + step] : undefined
}

/** @param {HTMLElement} from @param {number} [step] @returns {HTMLElement|undefined} */
function across(from, step) {
  const lanes = all(by("timeline"), ".lane").filter(lane => first(lane, ".mark"))
  const lane = step && lanes[lanes.findIndex(lane => lane.contains(from)) + step]
  /** @param {HTMLElement} mark */
  const left = mark => Math.abs(parseFloat(mark.style.left) - parseFloat(from.style.left))
  return lane ? all(lane, ".mark").reduce((best, mark) => (left(mark) < left(best) ? mark : best)) : undefined
}
