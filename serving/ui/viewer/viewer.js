/** One moment, large: its recording plays from there, and what is seen can be searched for. */

import { frameFull, recording, recordingThumb } from "../core/api.js"
import { add, only } from "../query/query-panel.js"
import { makeBox } from "../query/box.js"
import { by, element, isTyping } from "../core/dom.js"
import { moment as momentExample, readRegion, withRegion } from "../query/examples.js"
import { details } from "./details.js"
import * as format from "../core/format.js"
import { readMoment, writeMoment } from "../results/moments.js"
import { markTime, others, strip } from "./neighbours.js"
import { makePlayer } from "./player.js"
import { change, closeViewer, current } from "../core/state.js"

const POLL_MS = 1000
const SAME_S = 0.05 // as near as this, the paused frame is the one that was found

let list // () => the moments that next and previous go through
let player, box
let moment = null
let info = null
let running = new AbortController()
const part = {}

export function begin(shownMoments) {
  list = shownMoments
  player = makePlayer({ onTime: showTime, onFailure: reason => note(reason) })
  by("viewer").append(bar(), body())
  box = makeBox(part.box, { onDraw: () => player.pause(), onChange: nameSearch, onTap: () => player.toggle() })
  by("viewer").addEventListener("cancel", event => [event.preventDefault(), closeViewer()])
  by("viewer").addEventListener("close", () => current().look && closeViewer())
  by("viewer").addEventListener("click", event => event.target === by("viewer") && closeViewer())
  by("viewer").addEventListener("keydown", onKey)
}

export function onState(state, before) {
  if (state.look === before.look && state.zone === before.zone) return
  running.abort()
  running = new AbortController()
  if (state.look) show(state.look, running.signal)
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
    "aria-label": "Part of the frame to search for",
    "aria-description":
      "Draw a box, or press r for one. Arrows move it, shift and arrows size it, Escape takes it away.",
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

async function show(text, signal) {
  try {
    const next = await readMoment(text, signal)
    if (signal.aborted) return
    moment = next
  } catch (error) {
    return signal.aborted || renderFailure(error)
  }
  render()
  await showMedia(signal).catch(error => signal.aborted || note(error.message))
}

function hide() {
  const last = CSS.escape(moment?.id ?? "")
  if (by("viewer").open) by("viewer").close()
  player.unload()
  moment = info = null
  if (last) document.querySelector(`.card[data-id="${last}"] .card-open, .mark[data-id="${last}"]`)?.focus() // where next and previous led to
}

function openDialog() {
  if (by("viewer").open) return
  by("viewer").showModal()
  part.box.focus({ preventScroll: true })
}

function render() {
  info = null
  player.unload()
  player.bar.hidden = true
  box.show(null)
  nameSearch(null)
  part.title.replaceChildren(element("b", {}, moment.camera), ` ${format.when(moment)}`)
  note("")
  showStill()
  showPlace()
  part.strip.replaceChildren()
  part.others = element("div", {}, others(moment, list(), open))
  part.side.replaceChildren(actions(), details(moment, info), part.others)
  openDialog()
}

function renderFailure(error) {
  moment = null
  part.title.textContent = "Moment"
  part.side.replaceChildren()
  part.strip.replaceChildren()
  part.frame.dataset.media = "none"
  note(error.message)
  openDialog()
}

/** The frame as a picture: until the recording plays, and where it does not. */
function showStill() {
  part.frame.dataset.media = "still"
  part.image.alt = `${moment.camera}, ${format.when(moment)}`
  part.image.src = moment.id ? frameFull(moment.id) : recordingThumb(moment.source_id, moment.time_s, 640)
  part.image.onload = () => setShape(part.image.naturalWidth, part.image.naturalHeight)
  part.image.onerror = () => part.frame.dataset.media === "still" && (part.frame.dataset.media = "none")
  part.found.hidden = !moment.region
  if (!moment.region) return
  const { x, y, w, h } = readRegion(moment.region)
  Object.assign(part.found.style, {
    left: `${x * 100}%`,
    top: `${y * 100}%`,
    width: `${w * 100}%`,
    height: `${h * 100}%`,
  })
}

const setShape = (width, height) => width && height && part.frame.style.setProperty("--shape", width / height)

/** Play it if it can be played; while a copy that can is being made, say how far that is. */
async function showMedia(signal) {
  info = await recording(moment.source_id, signal)
  if (signal.aborted) return
  setShape(info.width, info.height)
  player.bar.hidden = info.kind === "picture" || info.media !== "ready"
  part.side.querySelector("dl").replaceWith(details(moment, info))
  if (info.kind === "picture") return
  if (!part.strip.firstChild && info.media !== "none") part.strip.replaceChildren(strip(moment, info, goTo))
  markTime(part.strip, moment.time_s)
  if (info.media === "none") return note(info.reason || "This recording cannot be played.")
  if (info.media === "ready") return play()
  preparing(info.progress)
  await new Promise(resolve => setTimeout(resolve, POLL_MS))
  if (!signal.aborted) await showMedia(signal)
}

function play() {
  note("")
  player.load(info, moment.time_s)
  player.video.onseeked = () => player.isLoaded() && (part.frame.dataset.media = "video")
}

function note(text) {
  part.note.replaceChildren(text)
  part.note.hidden = !text
}

/** Only the bar changes from one time to the next: the words are read out once. */
function preparing(progress) {
  const bar =
    part.note.querySelector("progress") ?? element("progress", { max: 1, "aria-label": "Preparing the recording" })
  bar.value = progress ?? 0
  if (bar.isConnected) return
  note("This recording is being prepared so that the browser can play it.")
  part.note.append(bar)
}

function showTime(time_s) {
  markTime(part.strip, time_s)
  part.found.hidden = !moment?.region || Math.abs(time_s - moment.time_s) > SAME_S
}

/** To another time of this recording: there, or as another moment where it does not play. */
function goTo(time_s) {
  box.clear()
  if (player.isLoaded()) player.seek(time_s)
  else change({ look: `${moment.source_id}@${Math.round(time_s * 1000) / 1000}` }, { replace: true })
}

const open = next => change({ look: writeMoment(next) }, { replace: true })

const place = () => list().findIndex(one => writeMoment(one) === current().look)

function go(step) {
  const next = list()[place() + step]
  if (next) open(next)
}

/** The list has changed, or came only now. */
export function renderList() {
  if (!moment) return
  showPlace()
  part.others.replaceChildren(others(moment, list(), open) ?? "")
}

function showPlace() {
  const [at, total] = [place(), list().length]
  part.place.textContent = at < 0 ? "" : `${at + 1} of ${total}`
  part.previous.disabled = at <= 0
  part.next.disabled = at < 0 || at >= total - 1
}

function actions() {
  const button = (test, text, key, onclick) =>
    element("button", { "data-test": test, title: `${text} (${key})`, onclick }, text)
  part.region = button("viewer-region", "Search this frame", "Enter", () => only(seen()))
  return element(
    "div",
    { className: "viewer-actions" },
    button("viewer-like", "More like this", "+", () => add("like", seen())),
    button("viewer-unlike", "Less like this", "\u2212", () => add("unlike", seen())),
    part.region
  )
}

function nameSearch(region) {
  if (part.region) part.region.textContent = region ? "Search this region" : "Search this frame"
}

/** What is seen, as an example: the frame that was found, or where its recording stands now; the box on it, if there is one. */
function seen() {
  const time_s = player.isLoaded() ? player.time() : moment.time_s
  const isFound = moment.id && Math.abs(time_s - moment.time_s) <= SAME_S
  const example = isFound ? moment.id : momentExample(moment.source_id, time_s)
  return box.region() ? withRegion(example, box.region()) : example
}

function onKey(event) {
  if (isTyping(event.target) || event.altKey || event.ctrlKey || event.metaKey || !moment) return
  const isSlider = event.target.matches("input[type=range]")
  const isButton = event.target.matches("button")
  const action = keyAction(event, isSlider, isButton)
  if (!action) return
  event.preventDefault()
  event.stopPropagation()
  action()
}

function keyAction({ key, shiftKey }, isSlider, isButton) {
  const second = step => () => player.seek(player.time() + step)
  const arrows = isSlider
    ? {}
    : {
        ArrowLeft: shiftKey ? second(-1) : () => player.step(-1),
        ArrowRight: shiftKey ? second(1) : () => player.step(1),
      }
  const presses = isButton ? {} : { " ": () => player.toggle(), Enter: () => only(seen()) }
  const walks = { j: () => go(1), "]": () => go(1), k: () => go(-1), "[": () => go(-1) }
  const asks = {
    "+": () => add("like", seen()),
    "-": () => add("unlike", seen()),
    r: () => [part.box.focus(), box.begin()],
  }
  return { ...arrows, ...presses, ...walks, ...asks }[key]
}
