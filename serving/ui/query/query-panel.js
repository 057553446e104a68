/** The query: pictures that are dropped, pasted or picked, a region of one, and pictures to avoid. */

/** @import { State } from "../core/state.js" */
/** @import { BoxHandle } from "./box.js" */
/** @import { Region } from "./examples.js" */

import { recordingOf } from "../browse/library.js"
import { keepPicture } from "../core/api.js"
import { around, by, element, isTyping } from "../core/dom.js"
import * as format from "../core/format.js"
import { change, current, differs } from "../core/state.js"
import { knownMoment, momentIn, momentOf } from "../results/moments.js"
import { makeBox } from "./box.js"
import { exampleThumb, inset, parse, readRegion, withRegion } from "./examples.js"
import { askedDifference, askedParts } from "./search.js"

const BOX_WAIT_MS = 250 // after the last move of a box by keys, until it is searched by

/** @typedef {"like"|"unlike"} Side */
/** @typedef {"new"|Side} How whether a picture starts a new search, or is an example of the current one */
/** @typedef {{url: string, name: string}} Picture */
/** @typedef {(error: Error|null) => void} OnFailure null: no error */

/** @type {Record<Side, Side>} */
const OTHER = { like: "unlike", unlike: "like" }

/** Pictures of this visit, by id: shown without the service. @type {Map<string, Picture>} */
const own = new Map()
let onStage = "" // the example that is enlarged
/** @type {Picture|null} */
let pending = null // a picture that is being uploaded
let sending = new AbortController()
/** @type {BoxHandle} */
let box
let boxTimer = 0

/** @param {OnFailure} onFailure */
export function begin(onFailure) {
  box = makeBox(by("box"), { onChange: region => boxed(region) })
  by("whole").onclick = () => box.clear()
  by("file").onchange = () => takeFiles(by("file"), "new", onFailure)
  by("more-file").onchange = () => takeFiles(by("more-file"), "like", onFailure)
  by("stage-image").onerror = () => (by("picture").dataset.gone = "true")
  by("stage-image").onload = () => delete by("picture").dataset.gone
  by("clear").onclick = () => change({ like: [], unlike: [], min: "" })
  addEventListener("paste", event => !isTyping(event.target) && take(event.clipboardData?.files, "new", onFailure))
  listenForDrops(onFailure)
}

/** @param {State} state @param {State} before */
export function onState(state, before) {
  if (differs(state, before, "like", "unlike", "zone")) render()
  if (differs(state, before, "like", "unlike")) toTop()
}

/** Scroll to the top for a new search. */
function toTop() {
  const side = by("query-panel").parentElement
  if (side) side.scrollTop = 0
  scrollTo({ top: 0 })
}

/** Add an example, or move it here from the other side. @param {Side} side @param {string} example */
export function add(side, example) {
  const [these, others] = [current()[side], current()[OTHER[side]]]
  if (these.includes(example)) return
  change({
    [side]: [...these, example],
    [OTHER[side]]: others.filter(listed => listed !== example),
    browse: "",
    moment: "",
    min: "",
  })
}

/** Search by this example alone, with the current filters. @param {string} example */
export function only(example) {
  onStage = example
  change({ like: [example], unlike: [], browse: "", moment: "", min: "" })
}

/** @param {HTMLInputElement} input @param {How} how @param {OnFailure} onFailure */
function takeFiles(input, how, onFailure) {
  take(input.files, how, onFailure)
  input.value = "" // the same file may be picked again
}

/** @param {FileList|null|undefined} files @param {How} how @param {OnFailure} onFailure */
async function take(files, how, onFailure) {
  const file = [...(files ?? [])].find(each => each.type.startsWith("image/")) ?? files?.[0]
  if (!file) return
  const picture = { url: URL.createObjectURL(file), name: file.name || "pasted picture" }
  pending = picture
  sending.abort()
  sending = new AbortController()
  const { signal } = sending
  onFailure(null)
  render()
  try {
    const { id } = await keepPicture(file, signal)
    own.set(id, picture)
    pending = null
    how === "new" ? only(`picture:${id}`) : add(how, `picture:${id}`)
  } catch (error) {
    if (signal.aborted) return
    pending = null
    change({ browse: "", moment: "" }) // the error is shown there
    const { message } = /** @type {Error} */ (error)
    onFailure(new Error(message.includes(picture.name) ? message : `${picture.name}: ${message}`))
  }
  render()
}

/** @param {OnFailure} onFailure */
function listenForDrops(onFailure) {
  /** @param {Event} event */
  const zoneOf = event => /** @type {How} */ (around(event.target, "[data-drop]")?.dataset.drop ?? "new")
  /** @param {DragEvent} event */
  const isFile = event => event.dataTransfer?.types.includes("Files")
  addEventListener("dragover", event => {
    if (!isFile(event)) return
    event.preventDefault()
    document.body.dataset.dragging = zoneOf(event)
  })
  addEventListener("dragleave", event => event.relatedTarget || delete document.body.dataset.dragging)
  addEventListener("drop", event => {
    event.preventDefault()
    delete document.body.dataset.dragging
    take(event.dataTransfer?.files, zoneOf(event), onFailure)
  })
}

/** @param {Region|null} region */
function boxed(region) {
  if (!onStage) return
  const example = onStage
  by("whole").hidden = !region
  clearTimeout(boxTimer)
  boxTimer = setTimeout(() => {
    if (onStage !== example) return
    const next = withRegion(example, region)
    /** @param {string[]} list */
    const swap = list => list.map(listed => (listed === example ? next : listed))
    const patch = { like: swap(current().like), unlike: swap(current().unlike), min: "" }
    onStage = next
    change(patch)
  }, BOX_WAIT_MS)
}

export function render() {
  const { like, unlike } = current()
  const all = [...like, ...unlike]
  if (!all.includes(onStage)) onStage = all[0] ?? ""
  by("query-panel").dataset.state = pending || onStage ? "asked" : "empty"
  renderStage()
  by("likes").replaceChildren(...like.map(example => chip("like", example)))
  by("unlikes").replaceChildren(...unlike.map(example => chip("unlike", example)))
  by("chips").hidden = !all.length
  by("unlike-part").toggleAttribute("data-empty", !unlike.length)
}

function renderStage() {
  const region = onStage && !pending ? parse(onStage).region : null
  const image = by("stage-image")
  const url = pending?.url ?? (onStage ? address(onStage, 640) : "")
  if (image.getAttribute("src") !== url) url ? (image.src = url) : image.removeAttribute("src")
  image.alt = pending ? pending.name : onStage ? name(onStage) : ""
  by("stage").dataset.busy = String(Boolean(pending))
  box.show(region)
  by("whole").hidden = !region
  const matched = onStage && !pending && !region ? foundRegion(onStage) : null
  by("stage-found").hidden = !matched
  if (matched) Object.assign(by("stage-found").style, inset(matched))
  by("stage-name").textContent = pending ? `Sending ${pending.name} …` : onStage ? name(onStage) : ""
  if (onStage && !pending) learnName(onStage)
  renderAsked()
}

/** The regions that the search compared, if it has one example and no box. */
export function renderAsked() {
  const { like } = current()
  const isShown = like.length === 1 && onStage === like[0] && !pending
  const parts = isShown ? askedParts() : []
  by("stage-asked").replaceChildren(
    ...parts.map(part =>
      element("span", { className: "found", "data-test": "asked", "data-region": part, style: inset(readRegion(part)) })
    )
  )
  by("asked-note").hidden = !parts.length
  by("difference-note").hidden = !isShown || !askedDifference()
}

/** The region that a stored example is of; null for a whole frame. @param {string} example */
function foundRegion(example) {
  const { kind, id } = parse(example)
  const region = kind === "frame" ? knownMoment(id)?.region : null
  return region ? readRegion(region) : null
}

/** @param {string} example @param {number} px */
const address = (example, px) => own.get(parse(example).id)?.url ?? exampleThumb(example, px)

/** @param {string} example */
function name(example) {
  const { kind, id, time_s, region } = parse(example)
  const part = region ? "Part of " : ""
  if (kind === "picture") return part + (own.get(id)?.name ?? "a picture")
  const recording = kind === "moment" ? recordingOf(id) : null
  const moment = kind === "frame" ? knownMoment(id) : recording && momentIn(recording, time_s)
  return part + (moment ? `${moment.camera}, ${format.when(moment)}` : "a frame")
}

/** Fetch the name of a frame of the address. @param {string} example */
async function learnName(example) {
  const { kind, id } = parse(example)
  if (kind !== "frame" || knownMoment(id)) return
  await momentOf(id).catch(() => null)
  if (knownMoment(id)) render()
}

/** @param {Side} side @param {string} example */
function chip(side, example) {
  const [what, region] = [name(example), parse(example).region ?? foundRegion(example)]
  const remove = () => change({ [side]: current()[side].filter(listed => listed !== example), min: "" })
  const flip = () => add(OTHER[side], example)
  const image = element("img", { src: address(example, 160), alt: "", loading: "lazy" })
  const mark = region && element("span", { className: "found", style: inset(region) })
  const choose = () => {
    onStage = example
    render()
  }
  return element(
    "li",
    { className: "chip", "data-test": `example-${side}`, "data-example": example },
    element(
      "button",
      {
        className: "chip-image",
        title: what,
        "aria-label": `Show ${what}`,
        "aria-pressed": String(example === onStage),
        onclick: choose,
      },
      image,
      mark
    ),
    element(
      "span",
      { className: "chip-tools" },
      element(
        "button",
        { title: `Use as ${OTHER[side]}`, "aria-label": `Use ${what} as ${OTHER[side]}`, onclick: flip },
        side === "like" ? "\u2212" : "+"
      ),
      element("button", { title: "Remove", "aria-label": `Remove ${what}`, onclick: remove }, "\u00d7")
    )
  )
}
