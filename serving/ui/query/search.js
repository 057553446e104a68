/** Runs the search of the address, and calls listeners with the results. */

/** @import { Field, Hit } from "../core/api.js" */
/** @import { State } from "../core/state.js" */

import { search } from "../core/api.js"
import { current, differs, hasFilters } from "../core/state.js"
import { zone } from "../core/zone.js"
import { remember } from "../results/moments.js"

const COUNTED = 100 // moments of the search without filters: the counts next to filters are made from them

/**
 * @typedef {Object} Results
 * @property {"idle"|"searching"|"done"|"failed"} phase
 * @property {Hit[]} hits best first
 * @property {Hit[]} unfiltered of the same search without filters
 * @property {Error|null} error
 */

/** @type {Results} */
let results = { phase: "idle", hits: [], unfiltered: [], error: null }
/** @type {{query: string, top: number, hits: Hit[]}} */
let counted = { query: "", top: 0, hits: [] }
let running = new AbortController()
/** @type {((results: Results) => void)[]} */
const listeners = []

/** @param {(results: Results) => void} listener */
export const onResults = listener => listeners.push(listener)

export const latest = () => results

/** Best first, without hits below the similarity of the slider. */
export function shown() {
  const least = current().min === "" ? -1 : Number(current().min)
  return results.hits.filter(hit => hit.score >= least)
}

/** Whether there may be more hits than were requested. */
export const mayHaveMore = () =>
  results.hits.length >= current().top && current().top < 1000 && shown().length === results.hits.length

/** @type {(keyof State)[]} */
const SEARCHED_BY = ["like", "unlike", "colour", "layout", "camera", "since", "until", "time_of_day", "top"]

/** @param {State} state @param {State} before */
export function onState(state, before) {
  const zoneCounts = state.time_of_day && differs(state, before, "zone")
  if (zoneCounts || differs(state, before, ...SEARCHED_BY)) searchAgain()
}

/** Run the search of the address; a search that still runs is aborted. */
export async function searchAgain() {
  running.abort()
  running = new AbortController()
  const { signal } = running
  const state = current()
  if (!state.like.length) return publish({ phase: "idle", hits: [], unfiltered: [], error: null })
  // Sent before anything is drawn.
  const searching = hasFilters(state) ? searchBoth(state, signal) : searchOnce(state, signal)
  publish({ ...results, phase: "searching", error: null })
  try {
    const responses = await searching
    if (!signal.aborted) publish({ phase: "done", error: null, ...responses })
  } catch (error) {
    if (signal.aborted) return
    publish({ phase: "failed", hits: [], unfiltered: results.unfiltered, error: /** @type {Error} */ (error) })
  }
}

/** Without filters, one response has both. @param {State} state @param {AbortSignal} signal */
async function searchOnce(state, signal) {
  const unfiltered = await countedHits(state, signal)
  return { hits: unfiltered.slice(0, state.top), unfiltered }
}

/** @param {State} state @param {AbortSignal} signal */
async function searchBoth(state, signal) {
  const fields = [...query(state), ...filters(state), top(state.top)]
  const [hits, unfiltered] = await Promise.all([search(fields, signal), countedHits(state, signal)])
  remember(hits)
  return { hits, unfiltered }
}

/** @param {State} state @param {AbortSignal} signal */
async function countedHits(state, signal) {
  const most = Math.max(COUNTED, hasFilters(state) ? 0 : state.top)
  const text = JSON.stringify(query(state))
  if (counted.query === text && counted.top >= most) return counted.hits
  const hits = await search([...query(state), top(most)], signal)
  counted = { query: text, top: most, hits }
  remember(hits)
  return hits
}

/** @param {number} most @returns {Field} */
const top = most => ["top", String(most)]

/** What to look for, without filters. @param {State} state @returns {Field[]} */
function query(state) {
  const examples = [...fieldsOf("like", state.like), ...fieldsOf("unlike", state.unlike)]
  return [...examples, ...given("colour", state.colour), ...given("layout", state.layout)]
}

/** @param {State} state @returns {Field[]} */
function filters(state) {
  const bounds = [...given("since", state.since), ...given("until", state.until)]
  const hours = state.time_of_day ? [...given("time_of_day", state.time_of_day), ...given("zone", zone())] : []
  return [...fieldsOf("camera", state.camera), ...bounds, ...hours]
}

/** @param {string} name @param {string[]} values @returns {Field[]} */
const fieldsOf = (name, values) => values.map(value => [name, value])

/** @param {string} name @param {string} value @returns {Field[]} */
const given = (name, value) => (value ? [[name, value]] : [])

const DIFFERENCE = "difference" // from the usual view of the camera that took the picture

/** @returns {string[]} */
const askedBy = () =>
  results.phase === "done" ? [...new Set(results.unfiltered.flatMap(hit => (hit.asked ? [hit.asked] : [])))] : []

/** The regions of the picture that the hits match, as x,y,w,h; empty if the search was by the whole picture. */
export const askedParts = () => askedBy().filter(part => part !== DIFFERENCE)

/** Was the search by what the picture shows beyond the usual view of its camera? */
export const askedDifference = () => askedBy().includes(DIFFERENCE)

/** @param {Results} next */
function publish(next) {
  results = next
  listeners.forEach(listener => listener(results))
}
