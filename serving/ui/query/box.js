/** A box that a person draws on a picture, with a mouse, a finger or the keyboard. */

/** @import { Region } from "./examples.js" */

import { element, pick } from "../core/dom.js"
import { inset } from "./examples.js"

const LEAST = 0.02 // of the picture's side
const STEP = 0.02
/** @type {Record<string, [number, number]>} */
const STEPS = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }
const EDGE_PX = 12 // as near as this to an edge, the edge is what is dragged
const TAP_PX = 4 // a pointer that went less far drew nothing

/**
 * Whom a box tells.
 * @typedef {Object} Handlers
 * @property {() => void} [onDraw] a pointer begins
 * @property {(region: Region|null) => void} onChange the box is another; not for each step of a drag
 * @property {() => void} [onTap] a pointer drew nothing
 *
 * @typedef {{surface: HTMLElement, handlers: Handlers, region: Region|null, frame: HTMLElement}} Box
 * @typedef {{x: number, y: number}} Point in shares of the picture
 *
 * held: "new", "move", or the edges by their points of the compass.
 * @typedef {{held: string, from: Point, before: Region|null, event: PointerEvent}} Drag
 *
 * @typedef {Object} BoxHandle
 * @property {() => Region|null} region
 * @property {(region: Region|null) => void} show
 * @property {() => void} begin a box in the middle, if there is none
 * @property {() => void} clear
 */

/**
 * @param {HTMLElement} surface lies exactly over the picture
 * @param {Handlers} handlers
 * @returns {BoxHandle}
 */
export function makeBox(surface, handlers) {
  /** @type {Box} */
  const box = { surface, handlers, region: null, frame: element("div", { className: "box-frame", hidden: true }) }
  surface.append(box.frame)
  surface.addEventListener("pointerdown", event => beginDrag(box, event))
  surface.addEventListener("pointermove", event => event.buttons || (surface.style.cursor = cursor(grip(box, event))))
  surface.addEventListener("keydown", event => onKey(box, event))
  return {
    region: () => box.region,
    show: region => show(box, region),
    begin: () => set(box, box.region ?? { x: 0.25, y: 0.25, w: 0.5, h: 0.5 }),
    clear: () => box.region && set(box, null),
  }
}

/** @param {Box} box @param {Region|null} region */
function set(box, region) {
  show(box, region)
  box.handlers.onChange(region)
}

/** @param {Box} box @param {Region|null} region */
function show(box, region) {
  box.region = region
  box.frame.hidden = !region
  if (region) Object.assign(box.frame.style, inset(region))
}

/** @param {Box} box @param {PointerEvent} event @returns {Point} */
function at(box, event) {
  const { left, top, width, height } = box.surface.getBoundingClientRect()
  return { x: clamp((event.clientX - left) / width), y: clamp((event.clientY - top) / height) }
}

/**
 * What a pointer takes hold of: edges, the whole box, or nothing, to draw anew.
 * @param {Box} box
 * @param {PointerEvent} event
 */
function grip(box, event) {
  if (!box.region) return "new"
  const { width, height } = box.surface.getBoundingClientRect()
  const [point, { x, y, w, h }] = [at(box, event), box.region]
  /** @param {number} edge @param {number} position @param {number} side */
  const near = (edge, position, side) => Math.abs(edge - position) * side <= EDGE_PX
  /** @param {number} position @param {number} from @param {number} extent @param {number} side */
  const within = (position, from, extent, side) =>
    position >= from - EDGE_PX / side && position <= from + extent + EDGE_PX / side
  if (!within(point.x, x, w, width) || !within(point.y, y, h, height)) return "new"
  const down = near(point.y, y, height) ? "n" : near(point.y, y + h, height) ? "s" : ""
  const across = near(point.x, x, width) ? "w" : near(point.x, x + w, width) ? "e" : ""
  return down + across || "move"
}

/** @param {string} held */
const cursor = held => pick({ new: "crosshair", move: "move" }, held) ?? `${held}-resize`

/** @param {Box} box @param {PointerEvent} event */
function beginDrag(box, event) {
  if (event.button !== 0) return
  event.preventDefault()
  box.surface.focus({ preventScroll: true })
  box.surface.setPointerCapture(event.pointerId)
  const drag = { held: grip(box, event), from: at(box, event), before: box.region, event }
  /** @param {PointerEvent} next */
  const move = next => moved(event, next) && (box.handlers.onDraw?.(), show(box, dragged(drag, at(box, next))))
  /** @param {PointerEvent} next */
  const end = next => {
    box.surface.removeEventListener("pointermove", move)
    box.surface.removeEventListener("pointerup", end)
    box.surface.removeEventListener("pointercancel", end)
    endDrag(box, drag, next)
  }
  box.surface.addEventListener("pointermove", move)
  box.surface.addEventListener("pointerup", end)
  box.surface.addEventListener("pointercancel", end)
}

/** @param {Box} box @param {Drag} drag @param {PointerEvent} event */
function endDrag(box, drag, event) {
  if (event.type === "pointercancel") return show(box, drag.before)
  if (!moved(drag.event, event)) return box.handlers.onTap?.()
  const region = dragged(drag, at(box, event))
  if (region.w < LEAST || region.h < LEAST) return show(box, drag.before)
  set(box, region)
}

/** @param {PointerEvent} from @param {PointerEvent} to */
const moved = (from, to) => Math.hypot(to.clientX - from.clientX, to.clientY - from.clientY) >= TAP_PX

/** @param {Drag} drag @param {Point} to @returns {Region} */
function dragged({ held, from, before }, to) {
  if (held === "new" || !before) return between(from, to)
  if (held === "move") return moveBy(before, to.x - from.x, to.y - from.y)
  const corner = {
    x: held.includes("w") ? before.x + before.w : before.x,
    y: held.includes("n") ? before.y + before.h : before.y,
  }
  const x = /[ew]/.test(held) ? to.x : before.x + before.w
  const y = /[ns]/.test(held) ? to.y : before.y + before.h
  return between(corner, { x, y })
}

/** @param {Point} start @param {Point} end @returns {Region} */
const between = (start, end) => ({
  x: Math.min(start.x, end.x),
  y: Math.min(start.y, end.y),
  w: Math.abs(start.x - end.x),
  h: Math.abs(start.y - end.y),
})

/** @param {Region} region @param {number} x @param {number} y */
const moveBy = (region, x, y) => ({
  ...region,
  x: clamp(region.x + x, 1 - region.w),
  y: clamp(region.y + y, 1 - region.h),
})

/** @param {Region} region @param {number} w @param {number} h */
const sizeBy = (region, w, h) => ({
  ...region,
  w: Math.max(LEAST, Math.min(1 - region.x, region.w + w)),
  h: Math.max(LEAST, Math.min(1 - region.y, region.h + h)),
})

/** @param {number} number */
const clamp = (number, most = 1) => Math.min(most, Math.max(0, number))

/**
 * Enter begins a box, arrows move it, shift and arrows size it, Escape or Delete take it away.
 * @param {Box} box
 * @param {KeyboardEvent} event
 */
function onKey(box, event) {
  const next = byKey(box.region, event)
  if (next === undefined) return
  event.preventDefault()
  event.stopPropagation()
  set(box, next)
}

/**
 * @param {Region|null} region
 * @param {KeyboardEvent} event
 * @returns {Region|null|undefined} undefined: not a key of the box
 */
function byKey(region, { key, shiftKey, altKey, ctrlKey, metaKey }) {
  if (altKey || ctrlKey || metaKey) return undefined
  if (!region) return key === "Enter" ? { x: 0.25, y: 0.25, w: 0.5, h: 0.5 } : undefined
  if (["Escape", "Delete", "Backspace"].includes(key)) return null
  const step = pick(STEPS, key)
  return step && (shiftKey ? sizeBy : moveBy)(region, ...step)
}
