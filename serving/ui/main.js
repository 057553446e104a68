/** The page: who listens to what. */

import * as answers from "./answers.js"
import * as ask from "./ask.js"
import * as browse from "./browse.js"
import { by, element } from "./dom.js"
import * as facets from "./facets.js"
import * as keys from "./keys.js"
import { afterPaint } from "./later.js"
import { load, onLibrary } from "./library.js"
import * as look from "./look.js"
import { writeLook } from "./moments.js"
import * as search from "./search.js"
import * as start from "./start.js"
import { begin, change, current, differs, onChange } from "./state.js"
import * as timeline from "./timeline.js"
import * as weights from "./weights.js"
import { isZone, LOCAL } from "./zone.js"

const open = moment => change({ look: writeLook(moment) })

function renderFrame(state) {
  const isBrowsing = Boolean(state.browse)
  by("search").hidden = isBrowsing
  by("browse").hidden = !isBrowsing
  by("tab-search").setAttribute("aria-current", isBrowsing ? "false" : "page")
  by("tab-browse").setAttribute("aria-current", isBrowsing ? "page" : "false")
  renderZones(state)
}

function renderZones(state) {
  const others = state.zone && !["UTC", LOCAL].includes(state.zone) && isZone(state.zone) ? [[state.zone, zoneName(state.zone)]] : []
  const zones = [["", zoneName(LOCAL)], ...(LOCAL === "UTC" ? [] : [["UTC", "UTC"]]), ...others]
  by("zone").replaceChildren(...zones.map(([value, text]) => element("option", { value }, text)))
  by("zone").value = state.zone === LOCAL ? "" : state.zone
  by("zone").title = `Times are those of ${state.zone || LOCAL}`
}

/** Europe/Zurich -> Zurich time */
const zoneName = name => (name === "UTC" ? name : `${name.split("/").pop().replaceAll("_", " ")} time`)

function renderAnswers() {
  answers.render()
  timeline.render()
  start.render()
  look.renderList()
  ask.renderAsked()
}

function renderAll() {
  renderAnswers()
  facets.render()
}

function listed() {
  if (current().browse) return browse.shown()
  return search.latest().phase === "idle" ? start.shown() : search.shown()
}

by("tab-search").onclick = () => change({ browse: "" })
by("tab-browse").onclick = () => change({ browse: "cameras" })
by("zone").onchange = event => change({ zone: event.target.value })
if (matchMedia("(max-width: 800px)").matches) by("filters").open = false

ask.begin(answers.fail)
weights.begin()
answers.begin(open)
facets.begin()
timeline.begin(open)
start.begin(open)
browse.begin(open)
look.begin(listed)
keys.begin()

search.onAnswers(({ phase }) => {
  renderAnswers()
  if (phase !== "asking") afterPaint("facets", facets.render) // the moments first, then how many of each there are
})
onLibrary(() => [renderAll(), browse.render(), ask.render(), weights.render()])
onChange((state, before) => {
  renderFrame(state)
  search.onState(state, before)
  ask.onState(state, before)
  look.onState(state, before)
  if (differs(state, before, "like", "colour", "layout")) weights.render()
  if (differs(state, before, "browse", "zone")) browse.render()
  if (differs(state, before, "view", "min")) renderAnswers()
  if (differs(state, before, "zone", "camera", "since", "until", "time_of_day")) renderAll()
})
begin()
renderAll()
ask.render()
load()
