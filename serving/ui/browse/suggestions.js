/** Moments of the library, shown before the first search. */

/** @import { Moment, Recording } from "../core/api.js" */

import { by } from "../core/dom.js"
import * as format from "../core/format.js"
import { current } from "../core/state.js"
import { latest } from "../query/search.js"
import { card, fill, skeletons, walkable } from "../results/cards.js"
import { momentIn } from "../results/moments.js"
import { cameras, stored } from "./library.js"

const SHOWN = 12

/** @type {(moment: Moment) => void} */
let open
/** @type {Moment[]} */
let moments = []

/** @param {(moment: Moment) => void} openMoment */
export function begin(openMoment) {
  open = openMoment
  walkable(by("suggestions-list"))
}

/** For the next and previous buttons of the viewer. */
export const shown = () => moments

export function render() {
  by("suggestions").hidden = latest().phase !== "idle"
  if (by("suggestions").hidden) return
  const { recordings, frames, failure, loaded } = stored()
  by("suggestions-note").textContent = note(recordings, frames, failure, loaded)
  by("suggestions-head").textContent = current().unlike.length
    ? "Add an example of what to look for: unlike alone is not enough"
    : "Or start with a moment of the library"
  by("suggestions-head").hidden = Boolean(failure) || (loaded && !recordings.length)
  moments = sample(recordings).map(recording => momentIn(recording, recording.length_s / 2))
  fill(
    by("suggestions-list"),
    loaded ? moments.map(recording => card(recording, { open, test: "suggestion" })) : skeletons(8)
  )
}

/** @param {Recording[]} recordings @param {number} frames @param {Error|null} failure @param {boolean} loaded */
function note(recordings, frames, failure, loaded) {
  if (failure) return failure.message
  if (!loaded) return ""
  if (!recordings.length) return "The index is empty: run `lookalike index`, then reload this page."
  const [counted, from] = [format.count(recordings.length, "recording"), format.count(cameras().length, "camera")]
  return `${format.count(frames, "frame")} of ${counted} from ${from}.`
}

/** The latest recordings, one camera after the other, so that each camera is shown. @param {Recording[]} recordings */
function sample(recordings) {
  const latestFirst = [...recordings]
    .filter(recording => recording.served)
    .sort((a, b) => (b.began_at ?? "").localeCompare(a.began_at ?? ""))
  /** @type {Map<string, number>} */
  const turns = new Map()
  const ranked = latestFirst.map(recording => {
    const turn = (turns.get(recording.camera) ?? 0) + 1
    turns.set(recording.camera, turn)
    return { turn, recording }
  })
  return ranked
    .sort((a, b) => a.turn - b.turn)
    .slice(0, SHOWN)
    .map(({ recording }) => recording)
}
