/**
 * What counts in a search: colour, and the position in the picture. Only where the encoder's embeddings have parts.
 */

import { stored } from "../browse/library.js"
import { around, by, inputOf } from "../core/dom.js"
import { change, current } from "../core/state.js"
import { knownMoment } from "../results/moments.js"
import { parse } from "./examples.js"

const NAMES = /** @type {const} */ (["colour", "layout"])

export function begin() {
  for (const name of NAMES)
    by(`weight-${name}`).onchange = event => change({ [name]: inputOf(event).value, min: "" }, { replace: true })
  by("weights-usual").onclick = () => change({ colour: "", layout: "", min: "" }, { replace: true })
}

/** A slider that was not moved is at the encoder's default for the query. */
export function render() {
  const { parts, weights } = stored()
  const there = NAMES.filter(name => parts.length > 1 && parts.includes(name))
  by("weights").hidden = !there.length || !current().like.length
  for (const name of NAMES) {
    const [slider, isThere] = [by(`weight-${name}`), there.includes(name)]
    const label = around(slider, "label")
    if (label) label.hidden = !isThere
    if (isThere && weights) slider.value = current()[name] || String(weights[isPart() ? "crop" : "frame"][name])
  }
  by("weights-usual").hidden = !NAMES.some(name => current()[name])
}

/** Whether all examples are regions of pictures. */
const isPart = () => current().like.every(example => parse(example).region || knownMoment(parse(example).id)?.region)
