/** The question: pictures that are dropped, pasted or picked, the part of one that counts, and what to keep away from. */

import { exampleThumb, keepPicture } from "../core/api.js"
import { makeBox } from "./box.js"
import { by, element, isTyping } from "../core/dom.js"
import { parse, readRegion, withRegion } from "./examples.js"
import * as format from "../core/format.js"
import { recordingOf } from "../browse/library.js"
import { knownMoment, momentIn, momentOf } from "../results/moments.js"
import { askedDifference, askedParts } from "./search.js"
import { change, current, differs } from "../core/state.js"

const BOX_WAIT_MS = 250 // a box that is moved by keys is searched for when it rests

const OTHER = { like: "unlike", unlike: "like" }

/** Pictures of this visit, by id: shown from here, before the service has them. @type {Map<string, {url: string, name: string}>} */
const own = new Map()
let onStage = "" // the example that is shown large
let pending = null // {url, name}: a picture that is on its way
let sending = new AbortController()
let box
let boxTimer

export function begin(onFailure) {
  box = makeBox(by("box"), { onChange: region => boxed(region) })
  by("whole").onclick = () => box.clear()
  by("file").onchange = event => takeFiles(event.target, "new", onFailure)
  by("more-file").onchange = event => takeFiles(event.target, "like", onFailure)
  by("stage-image").onerror = () => (by("picture").dataset.gone = "true")
  by("stage-image").onload = () => delete by("picture").dataset.gone
  by("clear").onclick = () => change({ like: [], unlike: [], min: "" })
  addEventListener("paste", event => !isTyping(event.target) && take(event.clipboardData.files, "new", onFailure))
  listenForDrops(onFailure)
}

export function onState(state, before) {
  if (differs(state, before, "like", "unlike", "zone")) render()
  if (differs(state, before, "like", "unlike")) toTop()
}

/** Another question is shown from its beginning, and its answers from the best. */
function toTop() {
  by("query-panel").parentElement.scrollTop = 0
  scrollTo({ top: 0 })
}

/** Add an example, or move it here from the other side. */
export function add(side, example) {
  const [these, others] = [current()[side], current()[OTHER[side]]]
  if (these.includes(example)) return
  change({
    [side]: [...these, example],
    [OTHER[side]]: others.filter(one => one !== example),
    browse: "",
    look: "",
    min: "",
  })
}

/** Search for this alone, with the filters that are set. */
export function only(example) {
  onStage = example
  change({ like: [example], unlike: [], browse: "", look: "", min: "" })
}

function takeFiles(input, how, onFailure) {
  take(input.files, how, onFailure)
  input.value = "" // the same file may be picked again
}

/** @param {"new"|"like"|"unlike"} how */
async function take(files, how, onFailure) {
  const file = [...files].find(one => one.type.startsWith("image/")) ?? files[0]
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
    change({ browse: "", look: "" }) // where the reason is seen
    onFailure(new Error(error.message.includes(picture.name) ? error.message : `${picture.name}: ${error.message}`))
  }
  render()
}

function listenForDrops(onFailure) {
  const zoneOf = event => event.target.closest?.("[data-drop]")?.dataset.drop ?? "new"
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
    take(event.dataTransfer.files, zoneOf(event), onFailure)
  })
}

function boxed(region) {
  if (!onStage) return
  const example = onStage
  by("whole").hidden = !region
  clearTimeout(boxTimer)
  boxTimer = setTimeout(() => {
    if (onStage !== example) return
    const next = withRegion(example, region)
    const swap = list => list.map(one => (one === example ? next : one))
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
  by("likes").replaceChildren(...like.map(one => chip("like", one)))
  by("unlikes").replaceChildren(...unlike.map(one => chip("unlike", one)))
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
  const found = onStage && !pending && !region ? foundRegion(onStage) : null
  by("stage-found").hidden = !found
  if (found) Object.assign(by("stage-found").style, inset(found))
  by("stage-name").textContent = pending ? `Sending ${pending.name} …` : onStage ? name(onStage) : ""
  if (onStage && !pending) learnName(onStage)
  renderAsked()
}

/** What was asked: the parts of the one example in which something moves; a box that is drawn asks by another. */
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

/** The part of a stored frame that stands for it, where that is not all of it. */
function foundRegion(example) {
  const { kind, id } = parse(example)
  const region = kind === "frame" ? knownMoment(id)?.region : null
  return region ? readRegion(region) : null
}

const address = (example, px) => own.get(parse(example).id)?.url ?? exampleThumb(example, px)

function name(example) {
  const { kind, id, time_s, region } = parse(example)
  const part = region ? "Part of " : ""
  if (kind === "picture") return part + (own.get(id)?.name ?? "a picture")
  const recording = kind === "moment" ? recordingOf(id) : null
  const moment = kind === "frame" ? knownMoment(id) : recording && momentIn(recording, time_s)
  return part + (moment ? `${moment.camera}, ${format.when(moment)}` : "a frame")
}

/** A frame that came with the address is not known by name yet. */
async function learnName(example) {
  const { kind, id } = parse(example)
  if (kind !== "frame" || knownMoment(id)) return
  await momentOf(id).catch(() => null)
  if (knownMoment(id)) render()
}

function chip(side, example) {
  const [what, region] = [name(example), parse(example).region ?? foundRegion(example)]
  const remove = () => change({ [side]: current()[side].filter(one => one !== example), min: "" })
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

const inset = ({ x, y, w, h }) => ({
  left: `${x * 100}%`,
  top: `${y * 100}%`,
  width: `${w * 100}%`,
  height: `${h * 100}%`,
})
