/** Which footage counts: cameras, a range of time, hours of the day; beside each choice, how much it would leave. */

import { by, element } from "../core/dom.js"
import * as format from "../core/format.js"
import { histogram } from "./histogram.js"
import { cameras, extent, stored } from "../browse/library.js"
import { latest } from "./search.js"
import { change, current, hasFilters, NO_FILTERS } from "../core/state.js"
import { fromWall, midnight, wall } from "../core/zone.js"

const MOST_BARS = 42
const SECONDS_BARS = 20

const drawn = { since: "", until: "" } // what the address said when they were drawn

export function begin() {
  by("since").onchange = event => isWhole(event.target) && change({ since: fromInput(event.target) })
  by("until").onchange = event => isWhole(event.target) && change({ until: fromInput(event.target) })
  by("time-of-day").onchange = event =>
    event.target.reportValidity() && change({ time_of_day: event.target.value.trim() })
  by("no-filters").onclick = () => change(NO_FILTERS)
}

export function render() {
  renderCameras()
  renderTime()
  renderHours()
  const counted = latest().unfiltered.length
  by("counted").textContent = counted ? `of the ${counted} best` : ""
  by("no-filters").hidden = !hasFilters(current())
  const chosen = [current().camera.length, current().since || current().until, current().time_of_day].filter(
    Boolean
  ).length
  by("filters-count").textContent = chosen ? ` (${chosen})` : ""
}

const counts = of => {
  const totals = new Map()
  for (const hit of latest().unfiltered) totals.set(of(hit), (totals.get(of(hit)) ?? 0) + 1)
  return totals
}

function renderCameras() {
  const found = counts(hit => hit.camera)
  const names = [...new Set([...cameras(), ...found.keys(), ...current().camera])]
  const focused = document.activeElement?.dataset.test === "facet-camera" && document.activeElement.value
  by("cameras").replaceChildren(...names.map(name => cameraChoice(name, found.get(name) ?? 0)))
  if (focused)
    by("cameras")
      .querySelector(`input[value="${CSS.escape(focused)}"]`)
      ?.focus()
}

function cameraChoice(name, number) {
  const { camera } = current()
  const choose = event =>
    change({ camera: event.target.checked ? [...camera, name] : camera.filter(one => one !== name) })
  const input = element("input", {
    type: "checkbox",
    value: name,
    checked: camera.includes(name),
    "data-test": "facet-camera",
    onchange: choose,
  })
  return element(
    "label",
    { className: "choice", "data-none": latest().unfiltered.length > 0 && !number },
    input,
    element("span", { className: "choice-name", title: name }, name),
    latest().unfiltered.length ? element("span", { className: "count" }, String(number)) : null
  )
}

/** By date, unless no footage has one, or seconds were set. */
function isByDate() {
  const isNumber = text => text !== "" && Number.isFinite(Number(text))
  const isDate = text => /^\d{4}-/.test(text)
  if (isDate(current().since) || isDate(current().until)) return true // whatever is known of the library yet
  if (isNumber(current().since) || isNumber(current().until)) return false
  return stored().recordings.some(one => one.began_at) || latest().unfiltered.some(hit => hit.captured_at)
}

function renderTime() {
  const byDate = isByDate()
  for (const id of ["since", "until"]) {
    const input = by(id)
    const given = {
      type: byDate ? "datetime-local" : "number",
      step: byDate ? "1" : "any",
      value: toInput(current()[id], byDate),
    }
    if (input === document.activeElement && drawn[id] === current()[id] && input.type === given.type) delete given.value // is being typed
    drawn[id] = current()[id]
    for (const [name, value] of Object.entries(given)) if (input[name] !== value) input[name] = value
  }
  by("time-kind").textContent = byDate ? "" : "seconds into the recording"
  byDate ? renderDays() : renderSeconds()
  const undated = byDate ? stored().recordings.filter(one => !one.began_at).length : 0
  by("undated").textContent = undated
    ? `${format.count(undated, "recording")} without a date: a range leaves ${undated === 1 ? "it" : "them"} out.`
    : ""
}

const toInput = (text, byDate) =>
  text && byDate ? wall(new Date(/Z|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`)) : text

/** A year is typed digit by digit, and each is a change. */
const isWhole = input => input.type === "number" || !input.value || input.value >= "1970"

function fromInput(input) {
  if (!input.value) return ""
  return input.type === "number" ? input.value : fromWall(input.value).toISOString().replace(".000Z", "Z")
}

function renderDays() {
  const found = counts(hit => hit.captured_at && wall(new Date(hit.captured_at)).slice(0, 10))
  found.delete(null)
  const bins = grouped([...new Set([...daysStored(), ...found.keys()])].sort(), found)
  const chosen = range(
    bins,
    bin => midnight(bin.from).getTime(),
    bin => midnight(bin.to, 1).getTime(),
    Date.parse
  )
  histogram(
    by("days"),
    bins,
    chosen,
    (first, last) =>
      change({
        since: iso(midnight(bins[first].from)),
        until: iso(new Date(midnight(bins[last].to, 1).getTime() - 1000)),
      }),
    () => change({ since: "", until: "" })
  )
  by("days-from").textContent = bins.length ? dayName(bins[0].from) : ""
  by("days-to").textContent = bins.length > 1 ? dayName(bins.at(-1).to) : ""
}

const iso = date => date.toISOString().replace(".000Z", "Z")

const dayName = text => format.day(midnight(text), { weekday: false })

/** Days of which there is footage. */
function daysStored() {
  const days = new Set()
  for (const one of stored().recordings) {
    const [from, to] = extent(one) ?? [0, -1]
    for (let at = from; at <= to; at += 86_400_000) days.add(wall(new Date(at)).slice(0, 10))
    if (to >= from) days.add(wall(new Date(to)).slice(0, 10))
  }
  return days
}

/** Too many days for a bar each share one with their neighbours. */
function grouped(days, found) {
  const each = Math.ceil(days.length / MOST_BARS)
  const bins = []
  for (let n = 0; n < days.length; n += each) {
    const some = days.slice(n, n + each)
    const [from, to] = [some[0], some.at(-1)]
    const label = from === to ? dayName(from) : `${dayName(from)} to ${dayName(to)}`
    bins.push({ from, to, label, count: some.reduce((sum, one) => sum + (found.get(one) ?? 0), 0) })
  }
  return bins
}

function renderSeconds() {
  const most = Math.max(
    1,
    ...stored().recordings.map(one => one.length_s),
    ...latest().unfiltered.map(hit => hit.time_s)
  )
  const each = most / SECONDS_BARS
  const found = counts(hit => Math.min(SECONDS_BARS - 1, Math.floor(hit.time_s / each)))
  const edge = n => Math.round(n * each * 10) / 10
  const bins = Array.from({ length: SECONDS_BARS }, (_, n) => ({
    from: edge(n),
    to: edge(n + 1),
    label: `${format.clip(edge(n))} to ${format.clip(edge(n + 1))}`,
    count: found.get(n) ?? 0,
  }))
  const chosen = range(
    bins,
    bin => bin.from,
    bin => bin.to,
    Number
  )
  histogram(
    by("days"),
    bins,
    chosen,
    (first, last) => change({ since: String(bins[first].from), until: String(bins[last].to) }),
    () => change({ since: "", until: "" })
  )
  by("days-from").textContent = "0:00"
  by("days-to").textContent = format.clip(most, 0)
}

/** First and last of the bins that the range which is set meets. */
function range(bins, begin, end, read) {
  const { since, until } = current()
  if (!since && !until) return null
  const [from, to] = [since ? read(since) : -Infinity, until ? read(until) : Infinity]
  const met = bins.map((bin, n) => (end(bin) > from && begin(bin) < to ? n : -1)).filter(n => n >= 0)
  return met.length ? [met[0], met.at(-1)] : null
}

function renderHours() {
  by("hours-part").hidden = !isByDate()
  const found = counts(hit => hit.captured_at && Number(wall(new Date(hit.captured_at)).slice(11, 13)))
  const bins = Array.from({ length: 24 }, (_, hour) => ({
    label: `${hour}:00 to ${hour + 1}:00`,
    count: found.get(hour) ?? 0,
  }))
  const text = hour => `${String(hour).padStart(2, "0")}:00`
  histogram(
    by("hours"),
    bins,
    chosenHours(),
    (first, last) => change({ time_of_day: `${text(first)}-${text(last + 1)}` }),
    () => change({ time_of_day: "" })
  )
  if (document.activeElement !== by("time-of-day")) by("time-of-day").value = current().time_of_day
}

function chosenHours() {
  const found = /^(\d\d?):(\d\d)-(\d\d?):(\d\d)$/.exec(current().time_of_day)
  if (!found) return null
  const [, from, , to, minutes] = found.map(Number)
  return [from, (to - (minutes ? 0 : 1) + 24) % 24]
}
