/** One moment as a thumbnail with what is known of it, and a list of them that arrow keys go through. */

import { thumb } from "../core/api.js"
import { add } from "../query/query-panel.js"
import { arrowStep, element, spoken } from "../core/dom.js"
import { ofMoment, readRegion } from "../query/examples.js"
import * as format from "../core/format.js"

/**
 * @typedef {Object} Shown
 * @property {(moment: import("../core/api.js").Moment) => void} open
 * @property {string} [test] which list it is of
 * @property {string} [title] in place of the camera
 * @property {string} [note] in place of the similarity
 * @property {string} [noteTitle]
 * @property {string} [about] in place of when it was
 */

/** @param {import("../core/api.js").Moment} moment @param {Shown} how */
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

function tool(side, sign, word, moment, what) {
  const label = {
    title: `${word} like this (${sign})`,
    "aria-label": `${word} like ${what}`,
    "data-test": `hit-${side}`,
  }
  return element("button", { ...label, onclick: () => add(side, ofMoment(moment)) }, sign)
}

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

function lasts(moment) {
  const [from, to] = moment.span_s ?? [0, 0]
  if (to <= from) return ""
  return moment.captured_at ? format.length(to - from) : `of ${format.span(moment)}`
}

/** The frame, whole, in a box of fixed shape, with what was found in it outlined. */
export function picture(moment, px) {
  const image = element("img", { alt: "", loading: "lazy", decoding: "async", src: thumb(moment, px) })
  const well = element("span", { className: "well", "data-loading": true }, image)
  image.addEventListener("load", () => {
    well.removeAttribute("data-loading")
    if (moment.region) well.append(outline(moment.region, image.naturalWidth / image.naturalHeight))
  })
  image.addEventListener("error", () => failed(well, image))
  return well
}

function failed(well, image) {
  well.removeAttribute("data-loading")
  image.remove()
  well.append(element("span", { className: "well-note" }, "No picture: the recording cannot be read"))
}

/** A picture of this shape (width / height) lies in the middle of its 16:9 well. */
function outline(region, shape) {
  const [across, down] = [Math.min(1, shape / (16 / 9)), Math.min(1, 16 / 9 / shape)]
  const { x, y, w, h } = readRegion(region)
  const share = number => `${number * 100}%`
  const place = {
    left: share((1 - across) / 2 + x * across),
    top: share((1 - down) / 2 + y * down),
    width: share(w * across),
    height: share(h * down),
  }
  return element("span", { className: "found", style: place })
}

/** Only one card is in the tab order; arrows, Home and End go on to the others, + and - take one as an example. */
export function walkable(list) {
  list.addEventListener("keydown", event => onKey(list, event))
  list.addEventListener("focusin", event => enter(list, event.target.closest(".card")))
}

/** Put these cards into the list; who was at one of them stays there. */
export function fill(list, cards) {
  const focused = list.contains(document.activeElement) && document.activeElement.closest(".card")?.dataset.id
  list.replaceChildren(...cards)
  const again = cards.find(one => one.dataset.id && one.dataset.id === focused)
  enter(list, again ?? cards[0])
  if (focused) again?.querySelector("button").focus({ preventScroll: true })
}

/** Put more cards after those of the list. */
export function extend(list, cards) {
  for (const one of cards) for (const button of one.querySelectorAll("button")) button.tabIndex = -1
  list.append(...cards)
}

function enter(list, chosen) {
  for (const one of list.children)
    for (const button of one.querySelectorAll("button")) button.tabIndex = one === chosen ? 0 : -1
}

function onKey(list, event) {
  const cards = [...list.children]
  const place = cards.indexOf(event.target.closest(".card"))
  if (place < 0) return
  const press = { "+": "hit-like", "-": "hit-unlike" }[event.key]
  if (press) return cards[place].querySelector(`[data-test=${press}]`)?.click()
  const next = { Home: 0, End: cards.length - 1 }[event.key] ?? place + arrowStep(event, perRow(cards))
  if (next === place || !cards[next]) return
  event.preventDefault()
  enter(list, cards[next])
  cards[next].querySelector("button").focus()
}

const perRow = cards => Math.max(1, cards.filter(one => one.offsetTop === cards[0].offsetTop).length)

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
