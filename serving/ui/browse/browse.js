/** The library: recordings by camera and day, outliers, duplicates and clusters. */

/** @import { Cluster, Duplicate, Found, Moment, Outlier, Recording } from "../core/api.js" */

import { ServiceError } from "../core/api.js"
import { all, by, element, first } from "../core/dom.js"
import * as format from "../core/format.js"
import { change, current } from "../core/state.js"
import { wall } from "../core/zone.js"
import { card, fill, skeletons, walkable } from "../results/cards.js"
import { momentIn, remember } from "../results/moments.js"
import { onExplored, stop, wantExplored } from "./explore.js"
import { cameras, load, recordingOf, stored } from "./library.js"

/** @type {Record<"cameras"|keyof Found, [name: string, about: string]>} */
const VIEWS = {
  cameras: ["Cameras", ""],
  outliers: ["Outliers", "Moments that least resemble what their camera usually shows, the most unusual first."],
  duplicates: ["Duplicates", "Spans of two recordings that show the same footage."],
  clusters: ["Clusters", "Groups of frames that resemble each other, each with typical moments."],
}
const FIRST_RECORDINGS = 12 // of a camera, until all of them are requested

/** @type {(moment: Moment) => void} */
let open
/** @type {Moment[]} */
let moments = [] // as they are listed
let chosenCamera = ""
/** @type {Set<string>} */
const whole = new Set() // cameras of which all recordings are shown

/** @param {(moment: Moment) => void} openMoment */
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

/** The moments of the view, for the next and previous buttons of the viewer. */
export const shown = () => moments

function view() {
  const name = current().browse
  return isView(name) ? name : "cameras"
}

/** @param {string} name @returns {name is keyof typeof VIEWS} */
const isView = name => Object.hasOwn(VIEWS, name)

export function render() {
  if (!current().browse) return stop()
  const kind = view()
  all(by("browse"), "[data-kind]").forEach(button =>
    button.setAttribute("aria-pressed", String(button.dataset.kind === kind))
  )
  by("browse-note").textContent = VIEWS[kind][1]
  moments = []
  if (kind === "cameras") stop()
  by("browse-body").replaceChildren(...(kind === "cameras" ? libraryParts() : exploredParts(kind)))
  remember(moments)
}

function libraryParts() {
  const { recordings, failure, loaded } = stored()
  if (failure) return [problem(failure.message, () => load())]
  if (!loaded) return [grid(skeletons(8))]
  if (!recordings.length) return [problem("The index is empty: run `lookalike index`, then reload this page.")]
  const names = cameras()
  return [cameraChoices(names), ...names.filter(name => !chosenCamera || name === chosenCamera).map(cameraPart)]
}

/** @param {string} text @param {(() => void)|null} [retry] */
const problem = (text, retry) =>
  element(
    "div",
    { className: "problem", role: "alert" },
    element("p", {}, text),
    retry && element("button", { onclick: retry }, "Try again")
  )

/** @param {HTMLElement[]} cards @param {string} [test] */
function grid(cards, test) {
  const list = element("ul", { className: "grid", "data-test": test })
  walkable(list)
  fill(list, cards)
  return list
}

/** @param {string[]} names */
function cameraChoices(names) {
  /** @param {string} name */
  const choose = name => () => {
    chosenCamera = name
    render()
    first(by("browse"), "[data-test=browse-camera][aria-pressed=true]")?.focus()
  }
  /** @param {string} name @param {string} text */
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

/** @param {string} name */
function cameraPart(name) {
  const own = stored()
    .recordings.filter(recording => recording.camera === name)
    .sort((a, b) => (b.began_at ?? "").localeCompare(a.began_at ?? "") || a.name.localeCompare(b.name))
  const visible = whole.has(name) || chosenCamera === name ? own : own.slice(0, FIRST_RECORDINGS)
  const frames = own.reduce((sum, recording) => sum + recording.frames, 0)
  const about = [
    format.count(own.length, "recording"),
    format.count(frames, "frame"),
    dates(own.map(recording => recording.began_at)) || "without a date",
  ].join(", ")
  const more = () => [whole.add(name), render()]
  return element(
    "section",
    { className: "camera-part", "data-camera": name },
    element("div", { className: "part-head" }, element("h2", {}, name), element("span", { className: "note" }, about)),
    element("div", { className: "days" }, ...byDay(visible).map(([day, recordings]) => dayPart(day, recordings))),
    visible.length < own.length
      ? element("button", { className: "plain", onclick: more }, `Show all ${own.length}`)
      : null
  )
}

/** From the first day to the last; "" where no date is known. @param {(string|null)[]} times RFC 3339 */
function dates(times) {
  const known = times.filter(text => text != null).sort()
  if (!known.length) return ""
  const [from, to] = [known[0], known[known.length - 1]].map(text => format.day(new Date(text), { weekday: false }))
  return from === to ? from : `${from} to ${to}`
}

/** The day of "" is not known. @param {Recording[]} recordings */
function byDay(recordings) {
  /** @type {Map<string, Recording[]>} */
  const days = new Map()
  for (const recording of recordings) {
    const day = recording.began_at ? wall(new Date(recording.began_at)).slice(0, 10) : ""
    days.set(day, [...(days.get(day) ?? []), recording])
  }
  return [...days]
}

/** @param {string} day @param {Recording[]} recordings */
function dayPart(day, recordings) {
  const began_at = recordings[0].began_at
  const name = began_at ? format.day(new Date(began_at)) : "No date"
  return element("div", { className: "day-part" }, element("h3", {}, name), grid(recordings.map(recordingCard)))
}

/** A recording is shown by its middle. @param {Recording} recording */
function recordingCard(recording) {
  const moment = listed(momentIn(recording, recording.length_s / 2))
  const title = recording.began_at ? format.time(new Date(recording.began_at), false) : recording.name
  const note = recording.kind === "picture" ? "picture" : format.length(recording.length_s)
  const about = recording.served ? (recording.began_at ? recording.name : "") : "indexed elsewhere: no pictures"
  return card(moment, { open, test: "recording", title, note, about })
}

/** @param {Moment} moment */
function listed(moment) {
  moments.push(moment)
  return moment
}

/**
 * @template {keyof Found} Kind
 * @param {Kind} kind
 * @returns {HTMLElement[]}
 */
function exploredParts(kind) {
  const { found, progress, doing, error } = wantExplored(kind)
  const canRetry = !(error instanceof ServiceError && error.status === 501)
  if (error) return [problem(error.message, canRetry ? () => wantExplored(kind, true) : null)]
  if (!found) return [waiting(progress, doing), grid(skeletons(8))]
  if (!found.length) return [element("p", { className: "problem" }, NOTHING[kind])]
  return EXPLORED_PARTS[kind](found)
}

/** @type {{[Kind in keyof Found]: (found: Found[Kind]) => HTMLElement[]}} */
const EXPLORED_PARTS = { outliers: outlierParts, duplicates: duplicateParts, clusters: clusterParts }

const NOTHING = {
  outliers: "No outliers: too few frames are stored.",
  duplicates:
    "No duplicates. Copies of at least 5 s are found if something moves and at least 4 frames per second are indexed.",
  clusters: "Too few frames are stored to form groups.",
}

/** @param {number|null} [progress] @param {string} [doing] */
const waiting = (progress, doing) =>
  element(
    "div",
    { className: "waiting", role: "status" },
    `${doing ? doing[0].toUpperCase() + doing.slice(1) : "Working"} \u2026`,
    element("progress", { "aria-label": "Progress", ...(progress == null ? {} : { max: 1, value: progress }) })
  )

/** @param {Outlier[]} outliers */
function outlierParts(outliers) {
  /** @param {Outlier} outlier */
  const about = outlier => `more unusual than ${outlier.percentile.toFixed(1)} % of this camera`
  return [
    grid(
      outliers.map(outlier =>
        card(listed(outlier), {
          open,
          test: "outlier",
          note: outlier.distance.toFixed(3),
          noteTitle: `Distance ${outlier.distance.toFixed(3)}: ${about(outlier)}`,
        })
      ),
      "outliers"
    ),
  ]
}

/** @param {Duplicate[]} duplicates */
function duplicateParts(duplicates) {
  return [element("ul", { className: "pairs" }, ...duplicates.map(pair))]
}

/** @param {Duplicate} duplicate */
function pair(duplicate) {
  const sides = [
    side(duplicate.source_id, duplicate.source, duplicate.camera, duplicate.span_s),
    side(duplicate.other_source_id, duplicate.other_source, duplicate.other_camera, duplicate.other_span_s),
  ]
  const list = element("ul", { className: "pair" })
  walkable(list)
  fill(list, sides)
  const offset =
    Math.abs(duplicate.offset_s) < 0.05
      ? "at the same time of both"
      : `${format.length(Math.abs(duplicate.offset_s))} ${duplicate.offset_s > 0 ? "later" : "earlier"} in the second`
  return element(
    "li",
    {},
    list,
    element("p", { className: "note" }, `The same, ${offset}. Similarity ${format.score(duplicate.similarity)}.`)
  )
}

/**
 * @param {string} source_id
 * @param {string} source
 * @param {string} camera
 * @param {[number, number]} span_s
 */
function side(source_id, source, camera, span_s) {
  const recording = recordingOf(source_id) ?? { source_id, source, camera, began_at: null }
  const moment = listed({ ...momentIn(recording, (span_s[0] + span_s[1]) / 2), span_s })
  const note = format.span({ span_s, time_s: 0 })
  return card(moment, { open, test: "duplicate", note, about: format.fileName(source) })
}

/** @param {Cluster[]} clusters */
function clusterParts(clusters) {
  return clusters.map(cluster =>
    element(
      "section",
      { className: "camera-part", "data-test": "cluster" },
      element(
        "div",
        { className: "part-head" },
        element("h2", {}, `Group ${cluster.number}`),
        element("span", { className: "note" }, aboutCluster(cluster))
      ),
      grid(cluster.representatives.map(hit => card(listed(hit), { open, test: "representative" })))
    )
  )
}

/** @param {Cluster} cluster */
function aboutCluster(cluster) {
  const counts = Object.entries(cluster.cameras).sort((a, b) => b[1] - a[1])
  const names = counts.slice(0, 4).map(([name, frames]) => `${name} ${frames.toLocaleString()}`)
  const rest = counts.length > 4 ? `${counts.length - 4} more cameras` : ""
  const days = dates([cluster.first, cluster.last])
  return `${format.count(cluster.frames, "frame")}: ${[...names, rest, days].filter(Boolean).join(", ")}`
}
