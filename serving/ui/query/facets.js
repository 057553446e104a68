/** The filters: cameras, a range of time, hours of the day; next to each choice, its number of hits. */

/** @import { Hit } from "../core/api.js" */
/** @import { Bin, Chosen } from "./histogram.js" */

import { cameras, extent, stored } from "../browse/library.js"
import { by, element, first, inputOf } from "../core/dom.js"
import * as format from "../core/format.js"
import { change, current, hasFilters, NO_FILTERS } from "../core/state.js"
import { fromWall, midnight, wall } from "../core/zone.js"
import { histogram } from "./histogram.js"
import { latest } from "./search.js"

const MOST_BARS = 42
const SECONDS_BARS = 20

/** @typedef {Bin & {from: string, to: string}} DayBin days, such as 2026-01-05 */
/** @typedef {Bin & {from: number, to: number}} SecondsBin */

const BOUNDS = /** @type {const} */ (["since", "until"])
const drawn = { since: "", until: "" } // what the address said when they were drawn

export function begin() {
  for (const id of BOUNDS) by(id).onchange = () => isWhole(by(id)) && change({ [id]: fromInput(by(id)) })
  const hours = by("time-of-day")
  hours.onchange = () => hours.reportValidity() && change({ time_of_day: hours.value.trim() })
  by("no-filters").onclick = () => change(NO_FILTERS)
}

export function render() {
  renderCameras()
  renderTime()
  renderHours()
  const counted = latest().unfiltered.length
  by("counted").textContent = counted ? `of the ${counted} best` : ""
  by("no-filters").hidden = !hasFilters(current())
  const { camera, since, until, time_of_day } = current()
  const chosen = [camera.length, since || until, time_of_day].filter(Boolean).length
  by("filters-count").textContent = chosen ? ` (${chosen})` : ""
}

/**
 * How many hits there are of each, without filters.
 * @template Key
 * @param {(hit: Hit) => Key} of
 */
function counts(of) {
  /** @type {Map<Key, number>} */
  const totals = new Map()
  for (const hit of latest().unfiltered) totals.set(of(hit), (totals.get(of(hit)) ?? 0) + 1)
  return totals
}

function renderCameras() {
  const totals = counts(hit => hit.camera)
  const names = [...new Set([...cameras(), ...totals.keys(), ...current().camera])]
  const active = document.activeElement
  const focused = active instanceof HTMLInputElement && active.dataset.test === "facet-camera" ? active.value : ""
  by("cameras").replaceChildren(...names.map(name => cameraChoice(name, totals.get(name) ?? 0)))
  if (focused) first(by("cameras"), `input[value="${CSS.escape(focused)}"]`)?.focus()
}

/** @param {string} name @param {number} number of its hits */
function cameraChoice(name, number) {
  const { camera } = current()
  /** @param {Event} event */
  const choose = event =>
    change({ camera: inputOf(event).checked ? [...camera, name] : camera.filter(chosen => chosen !== name) })
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
  const bounds = [current().since, current().until]
  if (bounds.some(text => /^\d{4}-/.test(text))) return true // even if the library is not loaded yet
  if (bounds.some(text => text !== "" && Number.isFinite(Number(text)))) return false
  return stored().recordings.some(recording => recording.began_at) || latest().unfiltered.some(hit => hit.captured_at)
}

function renderTime() {
  const byDate = isByDate()
  for (const id of BOUNDS) renderBound(id, byDate)
  by("time-kind").textContent = byDate ? "" : "seconds into the recording"
  byDate ? renderDays() : renderSeconds()
  const undated = byDate ? stored().recordings.filter(recording => !recording.began_at).length : 0
  by("undated").textContent = undated
    ? `${format.count(undated, "recording")} without a date: a range leaves ${undated === 1 ? "it" : "them"} out.`
    : ""
}

/** @param {"since"|"until"} id @param {boolean} byDate */
function renderBound(id, byDate) {
  const input = by(id)
  const [type, step, value] = [
    byDate ? "datetime-local" : "number",
    byDate ? "1" : "any",
    toInput(current()[id], byDate),
  ]
  const isTyped = input === document.activeElement && drawn[id] === current()[id] && input.type === type
  drawn[id] = current()[id]
  if (input.type !== type) input.type = type
  if (input.step !== step) input.step = step
  if (!isTyped && input.value !== value) input.value = value
}

/** @param {string} text @param {boolean} byDate */
const toInput = (text, byDate) =>
  text && byDate ? wall(new Date(/Z|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`)) : text

/** A year is typed digit by digit, and each is a change. @param {HTMLInputElement} input */
const isWhole = input => input.type === "number" || !input.value || input.value >= "1970"

/** @param {HTMLInputElement} input */
function fromInput(input) {
  if (!input.value) return ""
  return input.type === "number" ? input.value : fromWall(input.value).toISOString().replace(".000Z", "Z")
}

function renderDays() {
  const totals = counts(hit => (hit.captured_at ? wall(new Date(hit.captured_at)).slice(0, 10) : ""))
  totals.delete("")
  const bins = grouped([...new Set([...daysStored(), ...totals.keys()])].sort(), totals)
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
  by("days-to").textContent = bins.length > 1 ? dayName(bins[bins.length - 1].to) : ""
}

/** @param {Date} date */
const iso = date => date.toISOString().replace(".000Z", "Z")

/** @param {string} text such as 2026-01-05 */
const dayName = text => format.day(midnight(text), { weekday: false })

/** Days of which there is footage. @returns {Set<string>} */
function daysStored() {
  const days = new Set()
  for (const recording of stored().recordings) {
    const [from, to] = extent(recording) ?? [0, -1]
    for (let at = from; at <= to; at += 86_400_000) days.add(wall(new Date(at)).slice(0, 10))
    if (to >= from) days.add(wall(new Date(to)).slice(0, 10))
  }
  return days
}

/**
 * If there are too many days, neighbouring days share a bar.
 * @param {string[]} days
 * @param {Map<string, number>} totals
 * @returns {DayBin[]}
 */
function grouped(days, totals) {
  const each = Math.ceil(days.length / MOST_BARS)
  /** @type {DayBin[]} */
  const bins = []
  for (let n = 0; n < days.length; n += each) {
    const group = days.slice(n, n + each)
    const [from, to] = [group[0], group[group.length - 1]]
    const label = from === to ? dayName(from) : `${dayName(from)} to ${dayName(to)}`
    bins.push({ from, to, label, count: group.reduce((sum, day) => sum + (totals.get(day) ?? 0), 0) })
  }
  return bins
}

function renderSeconds() {
  const most = Math.max(
    1,
    ...stored().recordings.map(recording => recording.length_s),
    ...latest().unfiltered.map(hit => hit.time_s)
  )
  const each = most / SECONDS_BARS
  const totals = counts(hit => Math.min(SECONDS_BARS - 1, Math.floor(hit.time_s / each)))
  /** @param {number} n */
  const edge = n => Math.round(n * each * 10) / 10
  /** @type {SecondsBin[]} */
  const bins = Array.from({ length: SECONDS_BARS }, (_, n) => ({
    from: edge(n),
    to: edge(n + 1),
    label: `${format.clip(edge(n))} to ${format.clip(edge(n + 1))}`,
    count: totals.get(n) ?? 0,
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

/**
 * First and last of the bins that the range which is set meets.
 * @template {Bin} Of
 * @param {Of[]} bins
 * @param {(bin: Of) => number} begin
 * @param {(bin: Of) => number} end
 * @param {(text: string) => number} read a bound
 * @returns {Chosen}
 */
function range(bins, begin, end, read) {
  const { since, until } = current()
  if (!since && !until) return null
  const [from, to] = [since ? read(since) : -Infinity, until ? read(until) : Infinity]
  const met = bins.map((bin, n) => (end(bin) > from && begin(bin) < to ? n : -1)).filter(n => n >= 0)
  return met.length ? [met[0], met[met.length - 1]] : null
}

function renderHours() {
  by("hours-part").hidden = !isByDate()
  const totals = counts(hit => (hit.captured_at ? Number(wall(new Date(hit.captured_at)).slice(11, 13)) : -1))
  const bins = Array.from({ length: 24 }, (_, hour) => ({
    label: `${hour}:00 to ${hour + 1}:00`,
    count: totals.get(hour) ?? 0,
  }))
  /** @param {number} hour */
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

/** @returns {Chosen} */
function chosenHours() {
  const match = /^(\d\d?):(\d\d)-(\d\d?):(\d\d)$/.exec(current().time_of_day)
  if (!match) return null
  const [, from, , to, minutes] = match.map(Number)
  return [from, (to - (minutes ? 0 : 1) + 24) % 24]
}
