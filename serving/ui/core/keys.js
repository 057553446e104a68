/** Keys of the whole page, and the list of all keys. */

import { by, first, isTyping, pick } from "./dom.js"
import { change, current } from "./state.js"

const FIRST_RESULT =
  "#search:not([hidden]) :is(.grid:not([hidden]) .card-open, .mark)[tabindex='0'], " +
  "#browse:not([hidden]) .card-open[tabindex='0']"

export function begin() {
  by("keys-open").onclick = () => by("keys").showModal()
  by("keys-close").onclick = () => by("keys").close()
  addEventListener("keydown", onKey)
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  if (isTyping(event.target) || event.altKey || event.ctrlKey || event.metaKey) return
  if (event.key === "?") return by("keys").open ? by("keys").close() : by("keys").showModal()
  if (document.querySelector("dialog[open]")) return
  const actions = {
    s: () => change({ browse: "" }),
    b: () => change({ browse: current().browse || "cameras" }),
    g: () => change({ view: "grid" }, { replace: true }),
    t: () => change({ view: "timeline" }, { replace: true }),
    o: () => by("file").click(),
    r: () => by("box").focus(),
    a: () => first(document, FIRST_RESULT)?.focus(),
  }
  const action = pick(actions, event.key)
  if (!action) return
  event.preventDefault()
  action()
}
