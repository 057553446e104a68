/** What counts in a search: colour, and the position in the picture. Only where the encoder's embeddings have such parts. */

import { by } from "../core/dom.js"
import { parse } from "./examples.js"
import { stored } from "../browse/library.js"
import { knownMoment } from "../results/moments.js"
import { change, current } from "../core/state.js"

const NAMES = ["colour", "layout"]

export function begin() {
  for (const name of NAMES)
    by(`weight-${name}`).onchange = event => change({ [name]: event.target.value, min: "" }, { replace: true })
  by("weights-usual").onclick = () => change({ colour: "", layout: "", min: "" }, { replace: true })
}

/** A slider that was not moved stands where the encoder has it for what is asked. */
export function render() {
  const { parts, weights } = stored()
  const there = NAMES.filter(name => parts.length > 1 && parts.includes(name))
  by("weights").hidden = !there.length || !current().like.length
  for (const name of NAMES) {
    by(`weight-${name}`).closest("label").hidden = !there.includes(name)
    if (there.includes(name)) by(`weight-${name}`).value = current()[name] || weights[isPart() ? "crop" : "frame"][name]
  }
  by("weights-usual").hidden = !NAMES.some(name => current()[name])
}

/** Are all that is liked parts of pictures? */
const isPart = () => current().like.every(one => parse(one).region || knownMoment(parse(one).id)?.region)
