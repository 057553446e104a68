/** A drag over the lanes of a timeline sets the time; a tap on a recording looks at it there. */

import { element } from "../core/dom.js"
import { momentIn } from "../results/moments.js"
import { change } from "../core/state.js"

const TAP_PX = 4

/**
 * @param {HTMLElement} tracks
 * @param {import("./sections.js").Part} part
 * @param {import("./axis.js").Axis} axis
 * @param {(moment: import("../core/api.js").Moment) => void} open
 */
export function brush(tracks, part, axis, open) {
  const band = element("span", { className: "brush", hidden: true })
  tracks.append(band)
  tracks.onpointerdown = event => {
    const track = event.target.closest(".track")
    if (track && event.button === 0)
      begin({ tracks, band, part, axis, open, event, box: track.getBoundingClientRect() })
  }
}

/** The pointer is taken hold of only when it moves: what does not is a click, on a mark too. */
function begin({ tracks, band, part, axis, open, event, box }) {
  const share = next => Math.min(1, Math.max(0, (next.clientX - box.left) / box.width))
  const range = next => [share(event), share(next)].sort((a, b) => a - b)
  const isDrag = next => Math.abs(next.clientX - event.clientX) >= TAP_PX
  tracks.onpointermove = next => {
    if (band.hidden && !isDrag(next)) return
    tracks.setPointerCapture(event.pointerId)
    showBand(band, tracks, box, range(next))
  }
  tracks.onpointerup = tracks.onpointercancel = next => {
    const isBrushed = !band.hidden
    tracks.onpointermove = tracks.onpointerup = tracks.onpointercancel = null
    band.hidden = true
    if (next.type === "pointercancel") return
    if (isBrushed) setBounds(part, axis, range(next))
    else tap(part, axis, event, share(event), open)
  }
}

function showBand(band, tracks, box, [from, to]) {
  band.hidden = false
  band.style.left = `${box.left - tracks.getBoundingClientRect().left + from * box.width}px`
  band.style.width = `${(to - from) * box.width}px`
}

function setBounds(part, axis, [from, to]) {
  const bounds = [part.write(axis.time(from)), part.write(axis.time(to))]
  if (bounds[0] !== bounds[1]) change({ since: bounds[0], until: bounds[1] })
}

function tap(part, axis, event, share, open) {
  if (!event.target.closest(".footage")) return
  const [time, { camera }] = [axis.time(share), event.target.closest(".lane").dataset]
  const recording = part.recordings.find(
    one => one.camera === camera && part.extent(one)[0] <= time && time <= part.extent(one)[1]
  )
  if (recording) open(momentIn(recording, part.within(recording, time)))
}
