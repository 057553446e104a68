/** A drag over the lanes of a timeline sets the time; a tap on a recording looks at it there. */

/** @import { Moment } from "../core/api.js" */
/** @import { Axis, Interval } from "./axis.js" */
/** @import { Section } from "./sections.js" */

import { around, element } from "../core/dom.js"
import { change } from "../core/state.js"
import { momentIn } from "../results/moments.js"

const TAP_PX = 4

/**
 * @param {HTMLElement} tracks
 * @param {Section} section
 * @param {Axis} axis
 * @param {(moment: Moment) => void} open
 */
export function brush(tracks, section, axis, open) {
  const band = element("span", { className: "brush", hidden: true })
  tracks.append(band)
  tracks.onpointerdown = event => {
    const track = around(event.target, ".track")
    if (track && event.button === 0)
      begin({ tracks, band, section, axis, open, event, box: track.getBoundingClientRect() })
  }
}

/**
 * A pointer that went down on a track, which takes up `box` of the screen.
 * @typedef {Object} Press
 * @property {HTMLElement} tracks
 * @property {HTMLElement} band
 * @property {Section} section
 * @property {Axis} axis
 * @property {(moment: Moment) => void} open
 * @property {PointerEvent} event
 * @property {DOMRect} box
 */

/**
 * The pointer is taken hold of only when it moves: what does not is a click, on a mark too.
 * @param {Press} press
 */
function begin({ tracks, band, section, axis, open, event, box }) {
  /** @param {PointerEvent} next */
  const share = next => Math.min(1, Math.max(0, (next.clientX - box.left) / box.width))
  /** @param {PointerEvent} next @returns {Interval} */
  const range = next => [Math.min(share(event), share(next)), Math.max(share(event), share(next))]
  /** @param {PointerEvent} next */
  const isDrag = next => Math.abs(next.clientX - event.clientX) >= TAP_PX
  tracks.onpointermove = next => {
    if (band.hidden && !isDrag(next)) return
    tracks.setPointerCapture(event.pointerId)
    showBand(band, tracks, box, range(next))
  }
  tracks.onpointerup = tracks.onpointercancel = (/** @type {PointerEvent} */ next) => {
    const isBrushed = !band.hidden
    tracks.onpointermove = tracks.onpointerup = tracks.onpointercancel = null
    band.hidden = true
    if (next.type === "pointercancel") return
    if (isBrushed) setBounds(section, axis, range(next))
    else tap(section, axis, event, share(event), open)
  }
}

/** @param {HTMLElement} band @param {HTMLElement} tracks @param {DOMRect} box @param {Interval} range in shares */
function showBand(band, tracks, box, [from, to]) {
  band.hidden = false
  band.style.left = `${box.left - tracks.getBoundingClientRect().left + from * box.width}px`
  band.style.width = `${(to - from) * box.width}px`
}

/** @param {Section} section @param {Axis} axis @param {Interval} range in shares */
function setBounds(section, axis, [from, to]) {
  const bounds = [section.write(axis.time(from)), section.write(axis.time(to))]
  if (bounds[0] !== bounds[1]) change({ since: bounds[0], until: bounds[1] })
}

/**
 * @param {Section} section
 * @param {Axis} axis
 * @param {PointerEvent} event
 * @param {number} share
 * @param {(moment: Moment) => void} open
 */
function tap(section, axis, event, share, open) {
  if (!around(event.target, ".footage")) return
  const [time, camera] = [axis.time(share), around(event.target, ".lane")?.dataset.camera]
  const recording = section.recordings.find(
    recording =>
      recording.camera === camera && section.extent(recording)[0] <= time && time <= section.extent(recording)[1]
  )
  if (recording) open(momentIn(recording, section.within(recording, time)))
}
