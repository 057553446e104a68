/** Wall-clock times of any zone, by what the browser knows of zones. */

import { current } from "./state.js"

export const LOCAL = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC"

export const zone = () => current().zone || LOCAL

/** @type {Map<string, Intl.DateTimeFormat>} */
const readers = new Map()

/** @param {string} name */
function reader(name) {
  const known = readers.get(name)
  if (known) return known
  const made = new Intl.DateTimeFormat("en-CA", { timeZone: name, hourCycle: "h23", ...FIELDS })
  readers.set(name, made)
  return made
}

/** @type {Intl.DateTimeFormatOptions} */
const FIELDS = {
  year: "numeric",
  month: "2-digit",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
}

/** @param {string} name */
export function isZone(name) {
  try {
    return Boolean(reader(name))
  } catch {
    return false
  }
}

/** The wall clock at `date`: `2026-01-05T08:00:12`. @param {Date} date */
export function wall(date, name = zone()) {
  const parts = reader(name).formatToParts(date)
  const part = Object.fromEntries(parts.map(({ type, value }) => [type, value]))
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}`
}

/**
 * When the wall clock shows `text`; where it does so twice or never, the offset of that day's standing counts.
 * @param {string} text such as 2026-01-05T08:00, with or without seconds
 */
export function fromWall(text, name = zone()) {
  const asUtc = Date.parse(`${text.length === 16 ? `${text}:00` : text}Z`)
  let guess = asUtc
  for (let turn = 0; turn < 2; turn++) guess = asUtc - offset(guess, name)
  return new Date(guess)
}

/** From UTC, in ms. @param {number} at @param {string} name */
const offset = (at, name) => Date.parse(`${wall(new Date(at), name)}Z`) - Math.floor(at / 1000) * 1000

/** Midnight of the day, `2026-01-05`, that comes `days` later. @param {string} day */
export function midnight(day, days = 0) {
  const date = new Date(`${day}T00:00:00Z`)
  date.setUTCDate(date.getUTCDate() + days)
  return fromWall(`${date.toISOString().slice(0, 10)}T00:00:00`)
}
