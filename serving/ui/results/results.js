/** The results: the status line, the grid, and a remedy if there are none. */

/** @import { Hit, Moment } from "../core/api.js" */
/** @import { State } from "../core/state.js" */
/** @import { Results } from "../query/search.js" */

import { ServiceError } from "../core/api.js"
import { by, element } from "../core/dom.js"
import * as format from "../core/format.js"
import { afterPaint, cancel } from "../core/later.js"
import { change, current, hasFilters, NO_FILTERS, TOP } from "../core/state.js"
import { searchAgain, latest, mayHaveMore, shown } from "../query/search.js"
import { card, extend, fill, skeletons, walkable } from "./cards.js"
import { MOST_FRAMES, saveCsv, saveFrames } from "./export.js"

const FIRST = 12 // cards of new results that are drawn at once; the others follow one frame later

/** @type {(moment: Moment) => void} */
let open
/**
 * Cards of the current results, so that pictures need not be loaded again.
 * @type {{hits: Hit[]|null, zone: string, cards: Map<Hit, HTMLElement>}}
 */
let made = { hits: null, zone: "", cards: new Map() }

/** @param {(moment: Moment) => void} openMoment */
export function begin(openMoment) {
  open = openMoment
  walkable(by("grid"))
  by("view-grid").onclick = () => change({ view: "grid" }, { replace: true })
  by("view-timeline").onclick = () => change({ view: "timeline" }, { replace: true })
  by("more").onclick = () => change({ top: Math.min(1000, current().top + TOP) }, { replace: true })
  const slider = by("min")
  slider.oninput = () => change({ min: slider.value === slider.min ? "" : slider.value }, { replace: true })
  by("export-csv").onclick = () => saveCsv(shown())
  by("export-frames").onclick = () => saveFrames(shown(), fail)
}

/** Show an error; null hides it. @param {Error|null} error */
export function fail(error) {
  by("error").hidden = !error
  by("error").textContent = error?.message ?? ""
  if (error) by("error").scrollIntoView({ block: "nearest" })
}

export function render() {
  const { phase, hits, error } = latest()
  const [listed, isDone] = [shown(), phase === "done"]
  const isFirst = phase === "searching" && !hits.length
  by("results").setAttribute("aria-busy", String(phase === "searching"))
  by("results").dataset.phase = isFirst ? "first" : phase
  if (phase !== "idle") fail(error)
  by("status").textContent = status(phase, hits, listed)
  by("retry").hidden = phase !== "failed" || isPermanent(error)
  renderView(isFirst, listed)
  renderSlider(hits)
  by("export-frames").title =
    `Save ${listed.length > MOST_FRAMES ? `the best ${MOST_FRAMES} of these` : "these"} frames as pictures, in a zip`
  by("export-csv").disabled = by("export-frames").disabled = !listed.length
  if (phase !== "searching") by("more").hidden = !(isDone && mayHaveMore()) // stays while more are loaded
  renderNothing(isDone && !listed.length)
}

/** Whether the service would respond with the same error again. @param {Error|null} error */
const isPermanent = error => error instanceof ServiceError && error.status >= 400 && error.status < 500

/** @param {boolean} isFirst @param {Hit[]} listed */
function renderView(isFirst, listed) {
  const { view } = current()
  const isTimeline = view === "timeline"
  by("view-grid").setAttribute("aria-pressed", String(!isTimeline))
  by("view-timeline").setAttribute("aria-pressed", String(isTimeline))
  by("grid").hidden = isTimeline
  by("timeline").hidden = !isTimeline
  cancel("grid")
  if (isTimeline) return
  if (isFirst) fill(by("grid"), skeletons(FIRST))
  else renderCards(listed)
}

/** @param {Hit[]} listed */
function renderCards(listed) {
  const grid = by("grid")
  // Fewer cards would move a page that is scrolled.
  const isNew = made.hits !== latest().hits && !scrollY && !grid.contains(document.activeElement)
  const atOnce = isNew ? FIRST : listed.length
  fill(grid, listed.slice(0, atOnce).map(cardOf))
  if (listed.length <= atOnce) return
  by("results").setAttribute("aria-busy", "true")
  afterPaint("grid", () => {
    extend(grid, listed.slice(atOnce).map(cardOf))
    by("results").setAttribute("aria-busy", "false")
  })
}

/** @param {Hit} hit */
function cardOf(hit) {
  const { hits } = latest()
  if (made.hits !== hits || made.zone !== current().zone) made = { hits, zone: current().zone, cards: new Map() }
  const node = made.cards.get(hit) ?? card(hit, { open })
  made.cards.set(hit, node)
  return node
}

/** @param {Results["phase"]} phase @param {Hit[]} hits @param {Hit[]} listed */
function status(phase, hits, listed) {
  if (phase === "searching") return "Searching \u2026"
  if (phase === "failed") return "No response."
  if (phase === "idle" || !hits.length) return ""
  const hidden = hits.length - listed.length
  return hidden
    ? `${listed.length} of ${format.count(hits.length, "moment")} are similar enough`
    : `${format.count(hits.length, "moment")}, best first`
}

/** From the smallest to the largest similarity of the hits. @param {Hit[]} hits */
function renderSlider(hits) {
  const slider = by("min")
  slider.disabled = hits.length < 2
  if (slider.disabled) return
  slider.min = String(Math.floor(hits[hits.length - 1].score * 1000) / 1000)
  slider.max = String(Math.max(Number(slider.min) + 0.001, Math.ceil(hits[0].score * 1000) / 1000))
  const least = current().min || slider.min
  if (document.activeElement !== slider || slider.value !== least) slider.value = least
  by("min-value").textContent = current().min ? Number(current().min).toFixed(3) : "any"
}

/** @param {boolean} isNothing */
function renderNothing(isNothing) {
  const state = current()
  by("nothing").hidden = !isNothing
  if (!isNothing) return
  /** @type {[why: string, remedy: string, patch: Partial<State>]} */
  const [why, remedy, patch] =
    state.min && latest().hits.length
      ? ["No moment is similar enough.", "Show all", { min: "" }]
      : hasFilters(state)
        ? ["No moment passes the filters.", "Search without filters", NO_FILTERS]
        : ["The index is empty. Index some footage, then search again.", "", {}]
  by("nothing").replaceChildren(
    element("p", {}, why),
    remedy && element("button", { className: "plain", onclick: () => change(patch) }, remedy)
  )
}

by("retry").onclick = () => searchAgain()
