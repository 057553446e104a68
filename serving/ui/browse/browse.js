/** The library, for someone who does not yet know what to look for: cameras and days, and what stands out. */

import { card, fill, skeletons, walkable } from "../results/cards.js"
import { by, element } from "../core/dom.js"
import { onExplored, stop, wantExplored } from "./explore.js"
import * as format from "../core/format.js"
import { cameras, load, recordingOf, stored } from "./library.js"
import { momentIn, remember } from "../results/moments.js"
import { change, current } from "../core/state.js"
import { wall } from "../core/zone.js"

const VIEWS = {
  cameras: ["Cameras", ""],
  outliers: ["Outliers", "Moments that least resemble what their camera usually shows, the most unusual first."],
  duplicates: [
    "Duplicates",
    "Footage that is stored twice: spans of two recordings that go through the same changes at the same time.",
  ],
  clusters: [
    "Clusters",
    "What there is in the main: groups of frames that resemble each other, each with a few that are typical.",
  ],
}
const FIRST_RECORDINGS = 12 // of a camera, before all of them are asked for

let open
let moments = [] // as they are listed
let chosenCamera = ""
const whole = new Set() // cameras of which all recordings are shown

export function begin(openMoment) {
  open = openMoment
  onExplored(render)
  by("browse").append(
    element(
      "div",
      { id: "browse-bar" },
      element(
        "div",
        { className: "switch", role: "group", "aria-label": "Browse by" },
        ...Object.entries(VIEWS).map(([kind, [text]]) =>
          element(
            "button",
            { "data-test": `browse-${kind}`, "data-kind": kind, onclick: () => change({ browse: kind }) },
            text
          )
        )
      ),
      element("p", { id: "browse-note", className: "note" })
    ),
    element("div", { id: "browse-body" })
  )
}

/** The moments that the view lists, for those who go from one to the next. */
export const shown = () => moments

const view = () => (VIEWS[current().browse] ? current().browse : "cameras")

export function render() {
  if (!current().browse) return stop()
  by("browse")
    .querySelectorAll("[data-kind]")
    .forEach(one => one.setAttribute("aria-pressed", String(one.dataset.kind === view())))
  by("browse-note").textContent = VIEWS[view()][1]
  moments = []
  if (view() === "cameras") stop()
  by("browse-body").replaceChildren(...(view() === "cameras" ? libraryParts() : exploredParts()))
  remember(moments)
}

function libraryParts() {
  const { recordings, failure, loaded } = stored()
  if (failure) return [problem(failure.message, () => load())]
  if (!loaded) return [grid(skeletons(8))]
  if (!recordings.length)
    return [problem("Nothing is stored yet: fill the index with `lookalike index`, then load this page again.")]
  const names = cameras()
  return [cameraChoices(names), ...names.filter(name => !chosenCamera || name === chosenCamera).map(cameraPart)]
}

const problem = (text, retry) =>
  element(
    "div",
    { className: "problem", role: "alert" },
    element("p", {}, text),
    retry && element("button", { onclick: retry }, "Try again")
  )

function grid(cards, test) {
  const list = element("ul", { className: "grid", "data-test": test })
  walkable(list)
  fill(list, cards)
  return list
}

function cameraChoices(names) {
  const choose = name => () => {
    chosenCamera = name
    render()
    by("browse").querySelector("[data-test=browse-camera][aria-pressed=true]").focus()
  }
  const choice = (name, text) =>
    element(
      "button",
      {
        "data-test": "browse-camera",
        "data-camera": name,
        "aria-pressed": String(chosenCamera === name),
        onclick: choose(name),
      },
      text
    )
  return element(
    "div",
    { className: "camera-choices", role: "group", "aria-label": "Camera" },
    choice("", "All"),
    ...names.map(name => choice(name, name))
  )
}

function cameraPart(name) {
  const own = stored()
    .recordings.filter(one => one.camera === name)
    .sort((a, b) => (b.began_at ?? "").localeCompare(a.began_at ?? "") || a.name.localeCompare(b.name))
  const some = whole.has(name) || chosenCamera === name ? own : own.slice(0, FIRST_RECORDINGS)
  const frames = own.reduce((sum, one) => sum + one.frames, 0)
  const about = [
    format.count(own.length, "recording"),
    format.count(frames, "frame"),
    dates(own) || "without a date",
  ].join(", ")
  const more = () => [whole.add(name), render()]
  return element(
    "section",
    { className: "camera-part", "data-camera": name },
    element("div", { className: "part-head" }, element("h2", {}, name), element("span", { className: "note" }, about)),
    element("div", { className: "days" }, ...byDay(some).map(([day, recordings]) => dayPart(day, recordings))),
    some.length < own.length ? element("button", { className: "plain", onclick: more }, `Show all ${own.length}`) : null
  )
}

/** From the first day to the last; "" where no date is known. */
function dates(recordings) {
  const begins = recordings
    .map(one => one.began_at)
    .filter(Boolean)
    .sort()
  if (!begins.length) return ""
  const [first, last] = [begins[0], begins.at(-1)].map(text => format.day(new Date(text), { weekday: false }))
  return first === last ? first : `${first} to ${last}`
}

function byDay(recordings) {
  const days = new Map()
  for (const one of recordings) {
    const day = one.began_at ? wall(new Date(one.began_at)).slice(0, 10) : ""
    days.set(day, [...(days.get(day) ?? []), one])
  }
  return [...days]
}

function dayPart(day, recordings) {
  const name = day ? format.day(new Date(recordings[0].began_at)) : "No date"
  return element("div", { className: "day-part" }, element("h3", {}, name), grid(recordings.map(recordingCard)))
}

/** A recording is shown by its middle. */
function recordingCard(one) {
  const moment = listed(momentIn(one, one.length_s / 2))
  const title = one.began_at ? format.time(new Date(one.began_at), false) : one.name
  const note = one.kind === "picture" ? "picture" : format.length(one.length_s)
  const about = one.served ? (one.began_at ? one.name : "") : "indexed elsewhere: no pictures"
  return card(moment, { open, test: "recording", title, note, about })
}

function listed(moment) {
  moments.push(moment)
  return moment
}

function exploredParts() {
  const { found, progress, doing, error } = wantExplored(view())
  if (error) return [problem(error.message, error.status === 501 ? null : () => wantExplored(view(), true))]
  if (!found) return [waiting(progress, doing), grid(skeletons(8))]
  if (!found.length) return [element("p", { className: "problem" }, NOTHING[view()])]
  return { outliers: outlierParts, duplicates: duplicateParts, clusters: clusterParts }[view()](found)
}

const NOTHING = {
  outliers: "Nothing stands out: too little is stored.",
  duplicates:
    "No footage is stored twice. Copies are found from 5 s on, where something moves, with 4 or more frames indexed of each second.",
  clusters: "There is nothing to put into groups yet.",
}

const waiting = (progress, doing) =>
  element(
    "div",
    { className: "waiting", role: "status" },
    `${doing ? doing[0].toUpperCase() + doing.slice(1) : "Working"} \u2026`,
    element("progress", { "aria-label": "Progress", ...(progress == null ? {} : { max: 1, value: progress }) })
  )

function outlierParts(found) {
  const about = one => `more unusual than ${one.percentile.toFixed(1)} % of this camera`
  return [
    grid(
      found.map(one =>
        card(listed(one), {
          open,
          test: "outlier",
          note: one.distance.toFixed(3),
          noteTitle: `Distance ${one.distance.toFixed(3)}: ${about(one)}`,
        })
      ),
      "outliers"
    ),
  ]
}

function duplicateParts(found) {
  return [element("ul", { className: "pairs" }, ...found.map(pair))]
}

function pair(one) {
  const sides = [
    [one.source_id, one.source, one.camera, one.span_s],
    [one.other_source_id, one.other_source, one.other_camera, one.other_span_s],
  ].map(([id, source, camera, span_s]) => {
    const recording = recordingOf(id) ?? { source_id: id, source, camera, began_at: null }
    return card(listed({ ...momentIn(recording, (span_s[0] + span_s[1]) / 2), span_s }), {
      open,
      test: "duplicate",
      note: format.span({ span_s, time_s: 0 }),
      about: format.fileName(source),
    })
  })
  const list = element("ul", { className: "pair" })
  walkable(list)
  fill(list, sides)
  const offset =
    Math.abs(one.offset_s) < 0.05
      ? "at the same time of both"
      : `${format.length(Math.abs(one.offset_s))} ${one.offset_s > 0 ? "later" : "earlier"} in the second`
  return element(
    "li",
    {},
    list,
    element("p", { className: "note" }, `The same, ${offset}. Similarity ${format.score(one.similarity)}.`)
  )
}

function clusterParts(found) {
  return found.map(one =>
    element(
      "section",
      { className: "camera-part", "data-test": "cluster" },
      element(
        "div",
        { className: "part-head" },
        element("h2", {}, `Group ${one.number}`),
        element("span", { className: "note" }, aboutCluster(one))
      ),
      grid(one.representatives.map(hit => card(listed(hit), { open, test: "representative" })))
    )
  )
}

function aboutCluster(one) {
  const some = Object.entries(one.cameras).sort((a, b) => b[1] - a[1])
  const names = some.slice(0, 4).map(([name, frames]) => `${name} ${frames.toLocaleString()}`)
  const rest = some.length > 4 ? `${some.length - 4} more cameras` : ""
  const days = dates([{ began_at: one.first }, { began_at: one.last }])
  return `${format.count(one.frames, "frame")}: ${[...names, rest, days].filter(Boolean).join(", ")}`
}
