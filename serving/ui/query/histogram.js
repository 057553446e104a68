/** Counts as bars; a click selects a bar, a drag selects several. Inputs next to it do the same by keyboard. */

import { element } from "../core/dom.js"

/**
 * @typedef {{label: string, count: number}} Bin
 * @typedef {[number, number]|null} Chosen first and last; first > last goes over the end, as 22:00-06:00 does
 * @typedef {(first: number, last: number) => void} OnChoose
 */

/**
 * @param {HTMLElement} root
 * @param {Bin[]} bins
 * @param {Chosen} chosen
 * @param {OnChoose} onChoose
 * @param {() => void} onClear the only selected bin is clicked again
 */
export function histogram(root, bins, chosen, onChoose, onClear) {
  const most = Math.max(1, ...bins.map(bin => bin.count))
  const bars = bins.map((bin, n) =>
    element(
      "span",
      { className: "bar", title: `${bin.label}: ${bin.count}`, "data-chosen": isChosen(n, chosen) },
      element("i", { style: { height: bin.count ? `max(2px, ${(bin.count / most) * 100}%)` : "0" } })
    )
  )
  root.replaceChildren(...bars)
  root.setAttribute("role", "img")
  root.setAttribute(
    "aria-label",
    bins
      .filter(bin => bin.count)
      .map(bin => `${bin.label}: ${bin.count}`)
      .join(", ") || "none"
  )
  root.onpointerdown = event => begin(root, bars, chosen, onChoose, onClear, event)
}

/** @param {number} n @param {Chosen} chosen */
const isChosen = (n, chosen) =>
  chosen != null && (chosen[0] <= chosen[1] ? n >= chosen[0] && n <= chosen[1] : n >= chosen[0] || n <= chosen[1])

/**
 * @param {HTMLElement} root
 * @param {HTMLElement[]} bars
 * @param {Chosen} chosen
 * @param {OnChoose} onChoose
 * @param {() => void} onClear
 * @param {PointerEvent} event
 */
function begin(root, bars, chosen, onChoose, onClear, event) {
  if (event.button !== 0 || !bars.length) return
  event.preventDefault()
  root.setPointerCapture(event.pointerId)
  const first = binAt(root, bars, event)
  /** @param {PointerEvent} next @returns {[number, number]} */
  const range = next => {
    const last = binAt(root, bars, next)
    return [Math.min(first, last), Math.max(first, last)]
  }
  /** @param {PointerEvent} next */
  const mark = next => bars.forEach((bar, n) => bar.toggleAttribute("data-chosen", isChosen(n, range(next))))
  mark(event)
  root.onpointermove = mark
  root.onpointercancel = root.onpointerup = (/** @type {PointerEvent} */ next) => {
    root.onpointermove = root.onpointerup = root.onpointercancel = null
    const [from, to] = range(next)
    const isSame = chosen && from === chosen[0] && to === chosen[1]
    isSame ? onClear() : onChoose(from, to)
  }
}

/** @param {HTMLElement} root @param {HTMLElement[]} bars @param {PointerEvent} event */
function binAt(root, bars, event) {
  const { left, width } = root.getBoundingClientRect()
  return Math.min(bars.length - 1, Math.max(0, Math.floor(((event.clientX - left) / width) * bars.length)))
}
