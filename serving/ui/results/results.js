/** What was found: the line that says how much, the grid, and what to do where there is nothing. */

import { card, extend, fill, skeletons, walkable } from "./cards.js"
import { by, element } from "../core/dom.js"
import { MOST_FRAMES, saveCsv, saveFrames } from "./export.js"
import * as format from "../core/format.js"
import { afterPaint, cancel } from "../core/later.js"
import { searchAgain, latest, mayHaveMore, shown } from "../query/search.js"
import { change, current, hasFilters, NO_FILTERS, TOP } from "../core/state.js"

const FIRST = 12 // cards of a new answer that are drawn at once; the others come a frame later

let open
let made = { hits: null, zone: "", cards: new Map() } // cards of the answers shown: pictures that are there need not come again

export function begin(openMoment) {
  open = openMoment
  walkable(by("grid"))
  by("view-grid").onclick = () => change({ view: "grid" }, { replace: true })
  by("view-timeline").onclick = () => change({ view: "timeline" }, { replace: true })
  by("more").onclick = () => change({ top: Math.min(1000, current().top + TOP) }, { replace: true })
  by("min").oninput = event =>
    change({ min: event.target.value === event.target.min ? "" : event.target.value }, { replace: true })
  by("export-csv").onclick = () => saveCsv(shown())
  by("export-frames").onclick = () => saveFrames(shown(), fail)
}

/** Say why something that was asked for did not come to be; null: all is well again. */
export function fail(error) {
  by("error").hidden = !error
  by("error").textContent = error?.message ?? ""
  if (error) by("error").scrollIntoView({ block: "nearest" })
}

export function render() {
  const { phase, hits, error } = latest()
  const [found, isAnswered] = [shown(), phase === "done"]
  const isFirst = phase === "searching" && !hits.length
  by("results").setAttribute("aria-busy", String(phase === "searching"))
  by("results").dataset.phase = isFirst ? "first" : phase
  if (phase !== "idle") fail(error)
  by("status").textContent = status(phase, hits, found)
  by("retry").hidden = phase !== "failed" || (error.status >= 400 && error.status < 500)
  renderView(isFirst, found)
  renderSlider(hits)
  by("export-frames").title =
    `Save ${found.length > MOST_FRAMES ? `the best ${MOST_FRAMES} of these` : "these"} frames as pictures, in a zip`
  for (const id of ["export-csv", "export-frames"]) by(id).disabled = !found.length
  if (phase !== "searching") by("more").hidden = !(isAnswered && mayHaveMore()) // stays meanwhile: who pressed it is at it
  renderNothing(isAnswered && !found.length)
}

function renderView(isFirst, found) {
  const { view } = current()
  const isTimeline = view === "timeline"
  by("view-grid").setAttribute("aria-pressed", String(!isTimeline))
  by("view-timeline").setAttribute("aria-pressed", String(isTimeline))
  by("grid").hidden = isTimeline
  by("timeline").hidden = !isTimeline
  cancel("grid")
  if (isTimeline) return
  if (isFirst) fill(by("grid"), skeletons(FIRST))
  else renderCards(found)
}

function renderCards(found) {
  const grid = by("grid")
  const isNew = made.hits !== latest().hits && !scrollY && !grid.contains(document.activeElement) // fewer cards would move a page that is scrolled
  const atOnce = isNew ? FIRST : found.length
  fill(grid, found.slice(0, atOnce).map(cardOf))
  if (found.length <= atOnce) return
  by("results").setAttribute("aria-busy", "true")
  afterPaint("grid", () => {
    extend(grid, found.slice(atOnce).map(cardOf))
    by("results").setAttribute("aria-busy", "false")
  })
}

function cardOf(hit) {
  const { hits } = latest()
  if (made.hits !== hits || made.zone !== current().zone) made = { hits, zone: current().zone, cards: new Map() }
  if (!made.cards.has(hit)) made.cards.set(hit, card(hit, { open }))
  return made.cards.get(hit)
}

function status(phase, hits, found) {
  if (phase === "searching") return "Searching \u2026"
  if (phase === "failed") return "No answer."
  if (phase === "idle" || !hits.length) return ""
  const hidden = hits.length - found.length
  return hidden
    ? `${found.length} of ${format.count(hits.length, "moment")} are similar enough`
    : `${format.count(hits.length, "moment")}, best first`
}

/** From the least to the greatest similarity found: between them is what can be told apart. */
function renderSlider(hits) {
  const slider = by("min")
  slider.disabled = hits.length < 2
  if (slider.disabled) return
  slider.min = String(Math.floor(hits.at(-1).score * 1000) / 1000)
  slider.max = String(Math.max(Number(slider.min) + 0.001, Math.ceil(hits[0].score * 1000) / 1000))
  const least = current().min || slider.min
  if (document.activeElement !== slider || slider.value !== least) slider.value = least
  by("min-value").textContent = current().min ? Number(current().min).toFixed(3) : "any"
}

function renderNothing(isNothing) {
  const state = current()
  by("nothing").hidden = !isNothing
  if (!isNothing) return
  const [why, remedy, patch] =
    state.min && latest().hits.length
      ? ["Nothing is similar enough.", "Show what there is", { min: "" }]
      : hasFilters(state)
        ? ["Nothing like it where the filters let a search look.", "Search without filters", NO_FILTERS]
        : ["Nothing is stored that could be found. Index some footage, then search again.", "", {}]
  by("nothing").replaceChildren(
    element("p", {}, why),
    remedy && element("button", { className: "plain", onclick: () => change(patch) }, remedy)
  )
}

by("retry").onclick = () => searchAgain()
