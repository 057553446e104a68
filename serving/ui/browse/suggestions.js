/** Before a question is asked: moments of the library to begin with. */

import { card, fill, skeletons, walkable } from "../results/cards.js"
import { by } from "../core/dom.js"
import * as format from "../core/format.js"
import { cameras, stored } from "./library.js"
import { momentIn } from "../results/moments.js"
import { latest } from "../query/search.js"
import { current } from "../core/state.js"

const SHOWN = 12

let open
let moments = []

export function begin(openMoment) {
  open = openMoment
  walkable(by("suggestions-list"))
}

/** For those who go from one to the next. */
export const shown = () => moments

export function render() {
  by("suggestions").hidden = latest().phase !== "idle"
  if (by("suggestions").hidden) return
  const { recordings, frames, failure, loaded } = stored()
  by("suggestions-note").textContent = note(recordings, frames, failure, loaded)
  by("suggestions-head").textContent = current().unlike.length
    ? "Add what to look for: what to keep away from is not enough"
    : "Or begin with a moment of the library"
  by("suggestions-head").hidden = Boolean(failure) || (loaded && !recordings.length)
  moments = sample(recordings).map(one => momentIn(one, one.length_s / 2))
  fill(by("suggestions-list"), loaded ? moments.map(one => card(one, { open, test: "suggestion" })) : skeletons(8))
}

function note(recordings, frames, failure, loaded) {
  if (failure) return failure.message
  if (!loaded) return ""
  if (!recordings.length)
    return "Nothing is stored yet: fill the index with `lookalike index`, then load this page again."
  return `${format.count(frames, "frame")} of ${format.count(recordings.length, "recording")} from ${format.count(cameras().length, "camera")}.`
}

/** The latest of each camera in turn, so that all are seen. */
function sample(recordings) {
  const latestFirst = [...recordings]
    .filter(one => one.served)
    .sort((a, b) => (b.began_at ?? "").localeCompare(a.began_at ?? ""))
  const turn = new Map()
  const ranked = latestFirst.map(one => {
    turn.set(one.camera, (turn.get(one.camera) ?? 0) + 1)
    return [turn.get(one.camera), one]
  })
  return ranked
    .sort((a, b) => a[0] - b[0])
    .slice(0, SHOWN)
    .map(([, one]) => one)
}
