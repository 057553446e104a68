/** The page: who listens to what. */

import * as results from "./results/results.js"
import * as queryPanel from "./query/query-panel.js"
import * as browse from "./browse/browse.js"
import { by, element } from "./core/dom.js"
import * as facets from "./query/facets.js"
import * as keys from "./core/keys.js"
import { afterPaint } from "./core/later.js"
import { load, onLibrary } from "./browse/library.js"
import * as viewer from "./viewer/viewer.js"
import { writeMoment } from "./results/moments.js"
import * as search from "./query/search.js"
import * as suggestions from "./browse/suggestions.js"
import { begin, change, current, differs, onChange } from "./core/state.js"
import * as timeline from "./timeline/timeline.js"
import * as weights from "./query/weights.js"
import { isZone, LOCAL } from "./core/zone.js"

const open = moment => change({ look: writeMoment(moment) })

function renderFrame(state) {
  const isBrowsing = Boolean(state.browse)
  by("search").hidden = isBrowsing
  by("browse").hidden = !isBrowsing
  by("tab-search").setAttribute("aria-current", isBrowsing ? "false" : "page")
  by("tab-browse").setAttribute("aria-current", isBrowsing ? "page" : "false")
  renderZones(state)
}

function renderZones(state) {
  const others =
    state.zone && !["UTC", LOCAL].includes(state.zone) && isZone(state.zone) ? [[state.zone, zoneName(state.zone)]] : []
  const zones = [["", zoneName(LOCAL)], ...(LOCAL === "UTC" ? [] : [["UTC", "UTC"]]), ...others]
  by("zone").replaceChildren(...zones.map(([value, text]) => element("option", { value }, text)))
  by("zone").value = state.zone === LOCAL ? "" : state.zone
  by("zone").title = `Times are those of ${state.zone || LOCAL}`
}

/** Europe/Zurich -> Zurich time */
const zoneName = name => (name === "UTC" ? name : `${name.split("/").pop().replaceAll("_", " ")} time`)

function renderResults() {
  results.render()
  timeline.render()
  suggestions.render()
  viewer.renderList()
  queryPanel.renderAsked()
}

function renderAll() {
  renderResults()
  facets.render()
}

function listed() {
  if (current().browse) return browse.shown()
  return search.latest().phase === "idle" ? suggestions.shown() : search.shown()
}

by("tab-search").onclick = () => change({ browse: "" })
by("tab-browse").onclick = () => change({ browse: "cameras" })
by("zone").onchange = event => change({ zone: event.target.value })
if (matchMedia("(max-width: 800px)").matches) by("filters").open = false

queryPanel.begin(results.fail)
weights.begin()
results.begin(open)
facets.begin()
timeline.begin(open)
suggestions.begin(open)
browse.begin(open)
viewer.begin(listed)
keys.begin()

search.onResults(({ phase }) => {
  renderResults()
  if (phase !== "searching") afterPaint("facets", facets.render) // the moments first, then how many of each there are
})
onLibrary(() => [renderAll(), browse.render(), queryPanel.render(), weights.render()])
onChange((state, before) => {
  renderFrame(state)
  search.onState(state, before)
  queryPanel.onState(state, before)
  viewer.onState(state, before)
  if (differs(state, before, "like", "colour", "layout")) weights.render()
  if (differs(state, before, "browse", "zone")) browse.render()
  if (differs(state, before, "view", "min")) renderResults()
  if (differs(state, before, "zone", "camera", "since", "until", "time_of_day")) renderAll()
})
begin()
renderAll()
queryPanel.render()
load()
