/** One moment, large: its recording plays from there, and what is seen can be searched for. */

/** @import { Media, Moment, Recording } from "../core/api.js" */
/** @import { State } from "../core/state.js" */
/** @import { BoxHandle } from "../query/box.js" */
/** @import { Region } from "../query/examples.js" */
/** @import { PlayerHandle } from "./player.js" */

import { frameFull, recording, recordingThumb } from "../core/api.js"
import { by, element, first, isTyping, pick } from "../core/dom.js"
import * as format from "../core/format.js"
import { change, closeViewer, current } from "../core/state.js"
import { makeBox } from "../query/box.js"
import { inset, moment as momentExample, readRegion, withRegion } from "../query/examples.js"
import { add, only } from "../query/query-panel.js"
import { readMoment, writeMoment } from "../results/moments.js"
import { details } from "./details.js"
import { markTime, others, strip } from "./neighbours.js"
import { makePlayer } from "./player.js"

const POLL_MS = 1000
const SAME_S = 0.05 // within this, the paused frame is the frame that matched

/**
 * What the dialog is made of.
 * @typedef {Object} Parts
 * @property {HTMLElement} title
 * @property {HTMLElement} place
 * @property {HTMLButtonElement} previous
 * @property {HTMLButtonElement} next
 * @property {HTMLImageElement} image
 * @property {HTMLElement} box
 * @property {HTMLElement} found
 * @property {HTMLElement} frame
 * @property {HTMLElement} note
 * @property {HTMLElement} strip
 * @property {HTMLElement} side
 * @property {HTMLElement} [others]
 * @property {HTMLButtonElement} [region]
 */

/** @type {() => Moment[]} */
let list // the moments of `next` and `previous`
/** @type {PlayerHandle} */
let player
/** @type {BoxHandle} */
let box
/** @type {Moment|null} */
let moment = null
let running = new AbortController()
const part = /** @type {Parts} */ ({}) // filled once, by begin

/** @param {() => Moment[]} shownMoments */
export function begin(shownMoments) {
  list = shownMoments
  player = makePlayer({ onTime: showTime, onFailure: reason => note(reason) })
  by("viewer").append(bar(), body())
  box = makeBox(part.box, { onDraw: () => player.pause(), onChange: nameSearch, onTap: () => player.toggle() })
  by("viewer").addEventListener("cancel", event => {
    event.preventDefault()
    closeViewer()
  })
  by("viewer").addEventListener("close", () => current().moment && closeViewer())
  by("viewer").addEventListener("click", event => event.target === by("viewer") && closeViewer())
  by("viewer").addEventListener("keydown", onKey)
}

/** @param {State} state @param {State} before */
export function onState(state, before) {
  if (state.moment === before.moment && state.zone === before.zone) return
  running.abort()
  running = new AbortController()
  if (state.moment) show(state.moment, running.signal)
  else hide()
}

function bar() {
  part.title = element("h2", {})
  part.place = element("span", { className: "place" })
  part.previous = element("button", {
    className: "icon",
    "data-icon": "previous",
    "aria-label": "Previous moment",
    title: "Previous moment (k)",
    onclick: () => go(-1),
  })
  part.next = element("button", {
    className: "icon",
    "data-icon": "next",
    "aria-label": "Next moment",
    title: "Next moment (j)",
    onclick: () => go(1),
  })
  const close = element(
    "button",
    {
      className: "icon",
      "data-test": "viewer-close",
      "aria-label": "Close",
      title: "Close (Esc)",
      onclick: closeViewer,
    },
    "\u00d7"
  )
  return element(
    "div",
    { className: "viewer-bar" },
    part.title,
    element("div", { className: "viewer-steps" }, part.previous, part.place, part.next),
    close
  )
}

function body() {
  part.image = element("img", { "data-test": "viewer-image", alt: "", fetchPriority: "high" })
  part.box = element("div", {
    className: "viewer-box",
    "data-test": "viewer-box",
    tabIndex: 0,
    role: "application",
    "aria-label": "Region of the frame to search by",
    "aria-description":
      "Draw a box, or press r for one. Arrows move it, Shift and arrows resize it, Escape removes it.",
  })
  part.found = element("span", { className: "found", hidden: true })
  part.frame = element("div", { className: "viewer-frame" }, player.video, part.image, part.found, part.box)
  part.note = element("div", { className: "viewer-note", role: "status" })
  part.strip = element("div", {})
  part.side = element("div", { className: "viewer-side" })
  return element(
    "div",
    { className: "viewer-body" },
    element(
      "div",
      { className: "viewer-main" },
      element("div", { className: "viewer-stage" }, part.frame),
      part.note,
      player.bar,
      part.strip
    ),
    part.side
  )
}

/** @param {string} text `moment` of the address @param {AbortSignal} signal */
async function show(text, signal) {
  try {
    const next = await readMoment(text, signal)
    if (signal.aborted) return
    moment = next
  } catch (error) {
    if (!signal.aborted) renderFailure(/** @type {Error} */ (error))
    return
  }
  render(moment)
  await showMedia(moment, signal).catch(error => signal.aborted || note(error.message))
}

function hide() {
  const last = CSS.escape(moment?.id ?? "")
  if (by("viewer").open) by("viewer").close()
  player.unload()
  moment = null
  const opener = `.card[data-id="${last}"] .card-open, .mark[data-id="${last}"]` // of the last moment shown
  if (last) first(document, opener)?.focus()
}

function openDialog() {
  if (by("viewer").open) return
  by("viewer").showModal()
  part.box.focus({ preventScroll: true })
}

/** @param {Moment} moment */
function render(moment) {
  player.unload()
  player.bar.hidden = true
  box.show(null)
  nameSearch(null)
  part.title.replaceChildren(element("b", {}, moment.camera), ` ${format.when(moment)}`)
  note("")
  showPicture(moment)
  showPlace()
  part.strip.replaceChildren()
  part.others = element("div", {}, others(moment, list(), open))
  part.side.replaceChildren(actions(moment), details(moment, null), part.others)
  openDialog()
}

/** @param {Error} error */
function renderFailure(error) {
  moment = null
  part.title.textContent = "Moment"
  part.side.replaceChildren()
  part.strip.replaceChildren()
  part.frame.dataset.media = "none"
  note(error.message)
  openDialog()
}

/** Show the frame as a picture until the recording plays, or if it cannot play. @param {Moment} moment */
function showPicture(moment) {
  part.frame.dataset.media = "picture"
  part.image.alt = `${moment.camera}, ${format.when(moment)}`
  part.image.src = moment.id ? frameFull(moment.id) : recordingThumb(moment.source_id, moment.time_s, 640)
  part.image.onload = () => setShape(part.image.naturalWidth, part.image.naturalHeight)
  part.image.onerror = () => part.frame.dataset.media === "picture" && (part.frame.dataset.media = "none")
  part.found.hidden = !moment.region
  if (moment.region) Object.assign(part.found.style, inset(readRegion(moment.region)))
}

/** @param {number} width @param {number} height */
const setShape = (width, height) => width && height && part.frame.style.setProperty("--shape", String(width / height))

/**
 * Play the recording. While a playable copy is being made, show the progress.
 * @param {Moment} moment
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
async function showMedia(moment, signal) {
  const info = await recording(moment.source_id, signal)
  if (signal.aborted) return
  setShape(info.width, info.height)
  player.bar.hidden = info.kind === "picture" || info.media !== "ready"
  first(part.side, "dl")?.replaceWith(details(moment, info))
  if (info.kind === "picture") return
  if (!part.strip.firstChild && info.media !== "none")
    part.strip.replaceChildren(strip(moment, info, time_s => goTo(moment, time_s)))
  markTime(part.strip, moment.time_s)
  if (info.media === "none") return note(info.reason || "This recording cannot be played.")
  if (info.media === "ready") return play(moment, info)
  preparing(info.progress)
  await new Promise(resolve => setTimeout(resolve, POLL_MS))
  if (!signal.aborted) await showMedia(moment, signal)
}

/** @param {Moment} moment @param {Recording & Media} info */
function play(moment, info) {
  note("")
  player.load(info, moment.time_s)
  player.video.onseeked = () => player.isLoaded() && (part.frame.dataset.media = "video")
}

/** @param {string} text */
function note(text) {
  part.note.replaceChildren(text)
  part.note.hidden = !text
}

/** Later calls change the bar only, so that the text is read out once. @param {number|null} progress */
function preparing(progress) {
  const bar =
    part.note.querySelector("progress") ?? element("progress", { max: 1, "aria-label": "Preparing the recording" })
  bar.value = progress ?? 0
  if (bar.isConnected) return
  note("This recording is being prepared so that the browser can play it.")
  part.note.append(bar)
}

/** @param {number} time_s */
function showTime(time_s) {
  markTime(part.strip, time_s)
  part.found.hidden = !moment?.region || Math.abs(time_s - moment.time_s) > SAME_S
}

/**
 * Go to another time of this recording; if it does not play, as another moment.
 * @param {Moment} moment
 * @param {number} time_s
 */
function goTo(moment, time_s) {
  box.clear()
  if (player.isLoaded()) player.seek(time_s)
  else change({ moment: `${moment.source_id}@${Math.round(time_s * 1000) / 1000}` }, { replace: true })
}

/** @param {Moment} next */
const open = next => change({ moment: writeMoment(next) }, { replace: true })

const place = () => list().findIndex(listed => writeMoment(listed) === current().moment)

/** @param {number} step */
function go(step) {
  const next = list()[place() + step]
  if (next) open(next)
}

/** The list has changed. */
export function renderList() {
  if (!moment) return
  showPlace()
  part.others?.replaceChildren(others(moment, list(), open) ?? "")
}

function showPlace() {
  const [at, total] = [place(), list().length]
  part.place.textContent = at < 0 ? "" : `${at + 1} of ${total}`
  part.previous.disabled = at <= 0
  part.next.disabled = at < 0 || at >= total - 1
}

/** @param {Moment} moment */
function actions(moment) {
  /** @param {string} test @param {string} text @param {string} key @param {() => void} onclick */
  const button = (test, text, key, onclick) =>
    element("button", { "data-test": test, title: `${text} (${key})`, onclick }, text)
  part.region = button("viewer-region", "Search this frame", "Enter", () => only(seen(moment)))
  return element(
    "div",
    { className: "viewer-actions" },
    button("viewer-like", "More like this", "+", () => add("like", seen(moment))),
    button("viewer-unlike", "Less like this", "\u2212", () => add("unlike", seen(moment))),
    part.region
  )
}

/** @param {Region|null} region */
function nameSearch(region) {
  if (part.region) part.region.textContent = region ? "Search this region" : "Search this frame"
}

/**
 * The current view as an example: the frame that matched, or the current time of its recording; with the box, if any.
 * @param {Moment} moment
 */
function seen(moment) {
  const time_s = player.isLoaded() ? player.time() : moment.time_s
  const isFound = Math.abs(time_s - moment.time_s) <= SAME_S
  const example = (isFound && moment.id) || momentExample(moment.source_id, time_s)
  const region = box.region()
  return region ? withRegion(example, region) : example
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (isTyping(event.target) || event.altKey || event.ctrlKey || event.metaKey || !moment) return
  const action = pick(keyActions(moment, event), event.key)
  if (!action) return
  event.preventDefault()
  event.stopPropagation()
  action()
}

/**
 * The actions of keys, by key. A slider or a button keeps its own keys.
 * @param {Moment} moment
 * @param {KeyboardEvent} event
 * @returns {Record<string, () => void>}
 */
function keyActions(moment, { target, shiftKey }) {
  const isSlider = target instanceof Element && target.matches("input[type=range]")
  const isButton = target instanceof Element && target.matches("button")
  /** @param {number} step */
  const second = step => () => player.seek(player.time() + step)
  /** @type {Record<string, () => void>} */
  const arrows = isSlider
    ? {}
    : {
        ArrowLeft: shiftKey ? second(-1) : () => player.step(-1),
        ArrowRight: shiftKey ? second(1) : () => player.step(1),
      }
  /** @type {Record<string, () => void>} */
  const presses = isButton ? {} : { " ": () => player.toggle(), Enter: () => only(seen(moment)) }
  const walks = { j: () => go(1), "]": () => go(1), k: () => go(-1), "[": () => go(-1) }
  const searches = { "+": () => add("like", seen(moment)), "-": () => add("unlike", seen(moment)), r: beginBox }
  return { ...arrows, ...presses, ...walks, ...searches }
}

function beginBox() {
  part.box.focus()
  box.begin()
}
