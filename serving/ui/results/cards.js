/** One moment as a thumbnail with what is known of it, and a list of them that arrow keys go through. */

/** @import { Moment } from "../core/api.js" */

import { thumb } from "../core/api.js"
import { all, around, arrowStep, element, first, focused, pick, spoken } from "../core/dom.js"
import * as format from "../core/format.js"
import { inset, ofMoment, readRegion } from "../query/examples.js"
import { add } from "../query/query-panel.js"

/**
 * @typedef {Object} Shown
 * @property {(moment: Moment) => void} open
 * @property {string} [test] which list it is of
 * @property {string} [title] in place of the camera
 * @property {string} [note] in place of the similarity
 * @property {string} [noteTitle]
 * @property {string} [about] in place of when it was
 */

/** Until a picture that failed is asked for again. */
const AGAIN_MS = 2000

/** @param {Moment} moment @param {Shown} how */
export function card(moment, { open, test = "hit", title = moment.camera, note, noteTitle, about }) {
  const when = format.when(moment)
  const what = `${moment.camera}, ${when}`
  const data = {
    "data-test": test,
    "data-id": moment.id ?? "",
    "data-camera": moment.camera,
    "data-source": moment.source,
    "data-time": moment.time_s,
  }
  return element(
    "li",
    { className: "card", ...data },
    element(
      "button",
      { className: "card-open", onclick: () => open(moment) },
      picture(moment, 320),
      element("span", { className: "card-line" }, element("b", { title }, title), likeness(moment, note, noteTitle)),
      element(
        "span",
        { className: "card-line quiet" },
        element("span", {}, about ?? when),
        element("span", {}, note == null ? lasts(moment) : "")
      )
    ),
    element(
      "span",
      { className: "card-tools" },
      tool("like", "+", "More", moment, what),
      tool("unlike", "\u2212", "Less", moment, what)
    )
  )
}

/**
 * @param {"like"|"unlike"} side
 * @param {string} sign
 * @param {string} word
 * @param {Moment} moment
 * @param {string} what
 */
function tool(side, sign, word, moment, what) {
  const label = {
    title: `${word} like this (${sign})`,
    "aria-label": `${word} like ${what}`,
    "data-test": `hit-${side}`,
  }
  return element("button", { ...label, onclick: () => add(side, ofMoment(moment)) }, sign)
}

/** @param {Moment} moment @param {string} [note] @param {string} [noteTitle] */
function likeness(moment, note, noteTitle) {
  if (note != null) return element("span", { className: "score", title: noteTitle ?? "" }, note)
  if (moment.score == null) return null
  const share = format.percentile(moment)
  return element(
    "span",
    { className: "score", title: share },
    spoken("similarity "),
    format.score(moment.score),
    spoken(`. ${share}`)
  )
}

/** @param {Moment} moment */
function lasts(moment) {
  const [from, to] = moment.span_s ?? [0, 0]
  if (to <= from) return ""
  return moment.captured_at ? format.length(to - from) : `of ${format.span(moment)}`
}

/**
 * The whole frame, in a box of fixed shape, with an outline of the region that matched.
 * @param {Moment} moment
 * @param {number} px
 */
function picture(moment, px) {
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", src: thumb(moment, px) })
  const well = element("span", { className: "well", "data-loading": true }, image)
  image.addEventListener("load", () => {
    well.removeAttribute("data-loading")
    if (moment.region) well.append(outline(moment.region, image.naturalWidth / image.naturalHeight))
  })
  image.addEventListener("error", () => failed(well, image))
  return well
}

/**
 * Ask once more, later: an image does not say why it failed, and the service may have been busy.
 * @param {HTMLElement} well
 * @param {HTMLImageElement} image
 */
function failed(well, image) {
  if (!image.dataset.again) {
    image.dataset.again = "true"
    setTimeout(() => (image.src = image.src), AGAIN_MS)
    return
  }
  well.removeAttribute("data-loading")
  image.remove()
  well.append(element("span", { className: "well-note" }, "No picture: the recording cannot be read"))
}

/**
 * A picture of this shape (width / height) lies in the middle of its 16:9 well.
 * @param {string} region as x,y,w,h
 * @param {number} shape
 */
function outline(region, shape) {
  const [across, down] = [Math.min(1, shape / (16 / 9)), Math.min(1, 16 / 9 / shape)]
  const { x, y, w, h } = readRegion(region)
  const place = { x: (1 - across) / 2 + x * across, y: (1 - down) / 2 + y * down, w: w * across, h: h * down }
  return element("span", { className: "found", style: inset(place) })
}

/**
 * Only one card is in the tab order; arrows, Home and End go to other cards, + and - add a card as an example.
 * @param {HTMLElement} list
 */
export function walkable(list) {
  list.addEventListener("keydown", event => onKey(list, event))
  list.addEventListener("focusin", event => enter(list, around(event.target, ".card")))
}

/**
 * Put these cards into the list; the focus stays at its card.
 * @param {HTMLElement} list
 * @param {HTMLElement[]} cards
 */
export function fill(list, cards) {
  const before = list.contains(focused()) ? around(focused(), ".card")?.dataset.id : ""
  list.replaceChildren(...cards)
  const again = cards.find(card => card.dataset.id && card.dataset.id === before)
  enter(list, again ?? cards[0] ?? null)
  if (again) first(again, "button")?.focus({ preventScroll: true })
}

/** Put more cards after those of the list. @param {HTMLElement} list @param {HTMLElement[]} cards */
export function extend(list, cards) {
  for (const item of cards) for (const button of all(item, "button")) button.tabIndex = -1
  list.append(...cards)
}

/** @param {HTMLElement} list @param {Element|null} chosen */
function enter(list, chosen) {
  for (const item of list.children) for (const button of all(item, "button")) button.tabIndex = item === chosen ? 0 : -1
}

/** @param {HTMLElement} list @param {KeyboardEvent} event */
function onKey(list, event) {
  const cards = /** @type {HTMLElement[]} */ ([...list.children])
  const place = cards.findIndex(item => item === around(event.target, ".card"))
  if (place < 0) return
  const press = pick({ "+": "hit-like", "-": "hit-unlike" }, event.key)
  if (press) return first(cards[place], `[data-test=${press}]`)?.click()
  const next = pick({ Home: 0, End: cards.length - 1 }, event.key) ?? place + arrowStep(event, perRow(cards))
  if (next === place || !cards[next]) return
  event.preventDefault()
  enter(list, cards[next])
  first(cards[next], "button")?.focus()
}

/** @param {HTMLElement[]} cards */
const perRow = cards => Math.max(1, cards.filter(item => item.offsetTop === cards[0].offsetTop).length)

/** @param {number} number */
export const skeletons = number =>
  Array.from({ length: number }, () =>
    element(
      "li",
      { className: "card skeleton", "aria-hidden": "true" },
      element("span", { className: "well" }),
      element("span", { className: "card-line" }),
      element("span", { className: "card-line" })
    )
  )
