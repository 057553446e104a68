/** Connects the parts of the page. */

/** @import { Moment } from "./core/api.js" */
/** @import { State } from "./core/state.js" */

import * as browse from "./browse/browse.js"
import { load, onLibrary } from "./browse/library.js"
import * as suggestions from "./browse/suggestions.js"
import { by, element } from "./core/dom.js"
import * as keys from "./core/keys.js"
import * as login from "./core/login.js"
import { afterPaint } from "./core/later.js"
import { begin, change, current, differs, onChange } from "./core/state.js"
import { isZone, LOCAL } from "./core/zone.js"
import * as facets from "./query/facets.js"
import * as queryPanel from "./query/query-panel.js"
import * as search from "./query/search.js"
import * as weights from "./query/weights.js"
import { writeMoment } from "./results/moments.js"
import * as results from "./results/results.js"
import * as timeline from "./timeline/timeline.js"
import * as viewer from "./viewer/viewer.js"

/** @param {Moment} moment */
const open = moment => change({ moment: writeMoment(moment) })

/** @param {State} state */
function renderFrame(state) {
  const isBrowsing = Boolean(state.browse)
  by("search").hidden = isBrowsing
  by("browse").hidden = !isBrowsing
  by("tab-search").setAttribute("aria-current", isBrowsing ? "false" : "page")
  by("tab-browse").setAttribute("aria-current", isBrowsing ? "page" : "false")
  renderZones(state)
}

/** The browser's zone, UTC, and the zone of the address. @param {State} state */
function renderZones({ zone }) {
  const zones = [...new Set([LOCAL, "UTC", ...(zone && isZone(zone) ? [zone] : [])])]
  const options = zones.map(name => element("option", { value: name === LOCAL ? "" : name }, zoneName(name)))
  by("zone").replaceChildren(...options)
  by("zone").value = zone === LOCAL ? "" : zone
  by("zone").title = `Times in ${zone || LOCAL}`
}

/** Europe/Zurich -> Zurich time. @param {string} name */
const zoneName = name => (name === "UTC" ? name : `${name.slice(name.lastIndexOf("/") + 1).replaceAll("_", " ")} time`)

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
by("zone").onchange = () => change({ zone: by("zone").value })
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
  if (phase !== "searching") afterPaint("facets", facets.render) // first the moments, then the counts
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
login.begin()
begin()
renderAll()
queryPanel.render()
load()
