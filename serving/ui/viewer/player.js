/** Plays a recording from a moment, or shows a frame of it. Times are seconds within the recording. */

/** @import { Media, Recording } from "../core/api.js" */

import { mediaUrl } from "../core/api.js"
import { element, inputOf } from "../core/dom.js"
import * as format from "../core/format.js"

const USUAL_FPS = 25 // where the service does not know
const WITHIN_S = 0.001 // a seek to the begin of a frame must not show the previous frame

/**
 * Whom a player tells.
 * @typedef {Object} Handlers
 * @property {(time_s: number) => void} onTime
 * @property {(reason: string) => void} onFailure
 *
 * @typedef {Object} Controls
 * @property {HTMLButtonElement} play
 * @property {HTMLInputElement} seek
 * @property {HTMLOutputElement} time
 * @property {HTMLSelectElement} rate
 *
 * info: of what is loaded; null where nothing is.
 * @typedef {{video: HTMLVideoElement, handlers: Handlers, info: (Recording & Media)|null, controls: Controls}} Player
 *
 * @typedef {Object} PlayerHandle
 * @property {HTMLVideoElement} video
 * @property {HTMLElement} bar
 * @property {(info: Recording & Media, time_s: number) => void} load
 * @property {() => void} unload
 * @property {() => boolean} isLoaded
 * @property {() => number} time
 * @property {(time_s: number) => void} seek
 * @property {(frames: number) => void} step
 * @property {() => void} toggle
 * @property {() => void} pause
 */

/** @param {Handlers} handlers @returns {PlayerHandle} */
export function makePlayer(handlers) {
  const video = element("video", {
    playsInline: true,
    muted: true,
    preload: "auto",
    "data-test": "viewer-video",
    tabIndex: -1,
  })
  /** @type {Player} */
  const player = { video, handlers, info: null, controls: makeControls(() => player) }
  video.addEventListener("timeupdate", () => showTime(player))
  video.addEventListener("seeked", () => showTime(player))
  for (const name of ["play", "pause"]) video.addEventListener(name, () => showPlaying(player))
  video.addEventListener("error", () => video.hasAttribute("src") && handlers.onFailure(reason(video.error)))
  return {
    video,
    bar: makeBar(player),
    load: (info, time_s) => load(player, info, time_s),
    unload: () => unload(player),
    isLoaded: () => Boolean(player.info),
    time: () => timeOf(player),
    seek: time_s => seek(player, time_s),
    step: frames => step(player, frames),
    toggle: () => toggle(player),
    pause: () => video.pause(),
  }
}

/** @param {MediaError|null} error */
const reason = error =>
  error?.code === 2
    ? "The recording stopped loading; check that the service is running."
    : "The browser cannot play this recording."

/** @param {() => Player} player that they are of @returns {Controls} */
function makeControls(player) {
  const rates = ["0.25", "0.5", "1", "2", "4"].map(rate =>
    element("option", { value: rate, selected: rate === "1" }, `${rate}\u00d7`)
  )
  /** @param {Event} event */
  const setRate = event => (player().video.playbackRate = Number(inputOf(event).value))
  return {
    play: element("button", {
      className: "icon",
      "data-icon": "play",
      "aria-label": "Play",
      title: "Play (space)",
      onclick: () => toggle(player()),
    }),
    seek: element("input", {
      type: "range",
      min: "0",
      step: "0.001",
      "aria-label": "Time within the recording",
      oninput: event => seek(player(), Number(inputOf(event).value)),
    }),
    time: element("output", { className: "time" }),
    rate: element("select", { "aria-label": "Speed", onchange: setRate }, ...rates),
  }
}

/** @param {Player} player */
function makeBar(player) {
  const { controls } = player
  return element(
    "div",
    { className: "player-bar" },
    controls.play,
    element("button", {
      className: "icon",
      "data-icon": "back",
      "aria-label": "One frame back",
      title: "One frame back (\u2190)",
      onclick: () => step(player, -1),
    }),
    element("button", {
      className: "icon",
      "data-icon": "on",
      "aria-label": "One frame forward",
      title: "One frame forward (\u2192)",
      onclick: () => step(player, 1),
    }),
    element(
      "span",
      { className: "seek" },
      controls.seek,
      element("span", { className: "seek-marks", "aria-hidden": "true" })
    ),
    controls.time,
    controls.rate
  )
}

/** @param {Player} player @param {Recording & Media} info @param {number} time_s */
function load(player, info, time_s) {
  player.info = info
  player.controls.seek.max = String(info.length_s)
  player.video.src = mediaUrl(info.source_id)
  player.video.playbackRate = Number(player.controls.rate.value)
  player.video.onloadedmetadata = () => seek(player, time_s)
}

/** @param {Player} player */
function unload(player) {
  player.info = null
  player.video.pause()
  player.video.removeAttribute("src")
  player.video.load()
}

/** @param {Player} player */
const timeOf = ({ video, info }) => Math.max(0, video.currentTime - (info?.offset_s ?? 0))

/** To a time, and stay there. @param {Player} player @param {number} time_s */
function seek(player, time_s) {
  const { video, info } = player
  if (!info) return
  video.pause()
  const latest = Number.isFinite(video.duration) ? video.duration - WITHIN_S : info.length_s + info.offset_s
  video.currentTime = Math.min(latest, Math.max(0, time_s) + info.offset_s + WITHIN_S)
  showTime(player)
}

/** So many frames on, or back. @param {Player} player @param {number} frames */
const step = (player, frames) => seek(player, timeOf(player) + frames / (player.info?.fps || USUAL_FPS))

/** @param {Player} player */
function toggle({ video, info }) {
  if (info) video.paused ? video.play().catch(() => {}) : video.pause()
}

/** @param {Player} player */
function showTime(player) {
  const { controls, info, handlers } = player
  if (!info) return
  const time_s = timeOf(player)
  controls.seek.value = String(time_s)
  controls.seek.setAttribute("aria-valuetext", format.clip(time_s, 2))
  controls.time.textContent = `${format.clip(time_s, 2)} / ${format.clip(info.length_s, 0)}`
  handlers.onTime(time_s)
}

/** @param {Player} player */
function showPlaying({ video, controls }) {
  const word = video.paused ? "Play" : "Pause"
  controls.play.dataset.icon = word.toLowerCase()
  controls.play.title = `${word} (space)`
  controls.play.setAttribute("aria-label", word)
}
