/** The question that the address asks, put to the service; those who show answers listen. */

import { search } from "../core/api.js"
import { remember } from "../results/moments.js"
import { current, differs, hasFilters } from "../core/state.js"
import { zone } from "../core/zone.js"

const COUNTED = 100 // moments, of the question without filters, that the counts beside filters are made from

/**
 * @typedef {Object} Answers
 * @property {"idle"|"searching"|"done"|"failed"} phase
 * @property {import("../core/api.js").Moment[]} hits best first
 * @property {import("../core/api.js").Moment[]} unfiltered the same question without filters
 * @property {Error|null} error
 */

/** @type {Answers} */
let answers = { phase: "idle", hits: [], unfiltered: [], error: null }
let counted = { question: "", top: 0, hits: [] }
let running = new AbortController()
const listeners = []

export const onResults = listener => listeners.push(listener)

export const latest = () => answers

/** Best first, without those below the similarity that was set. */
export function shown() {
  const least = current().min === "" ? -1 : Number(current().min)
  return answers.hits.filter(hit => hit.score >= least)
}

/** Are there perhaps more than were asked for? */
export const mayHaveMore = () =>
  answers.hits.length >= current().top && current().top < 1000 && shown().length === answers.hits.length

export function onState(state, before) {
  const zoneCounts = state.time_of_day && differs(state, before, "zone")
  if (
    zoneCounts ||
    differs(state, before, "like", "unlike", "colour", "layout", "camera", "since", "until", "time_of_day", "top")
  )
    searchAgain()
}

/** Ask what the address asks; an earlier question that is not answered yet is dropped. */
export async function searchAgain() {
  running.abort()
  running = new AbortController()
  const { signal } = running
  const state = current()
  if (!state.like.length) return publish({ phase: "idle", hits: [], unfiltered: [], error: null })
  const asking = hasFilters(state) ? askBoth(state, signal) : askOnce(state, signal) // sent before anything is drawn
  publish({ ...answers, phase: "searching", error: null })
  try {
    const found = await asking
    if (!signal.aborted) publish({ phase: "done", error: null, ...found })
  } catch (error) {
    if (!signal.aborted) publish({ phase: "failed", hits: [], unfiltered: answers.unfiltered, error })
  }
}

/** Without filters, one answer is both. */
async function askOnce(state, signal) {
  const unfiltered = await countedHits(state, signal)
  return { hits: unfiltered.slice(0, state.top), unfiltered }
}

async function askBoth(state, signal) {
  const fields = [...asked(state), ...filters(state), ["top", state.top]]
  const [hits, unfiltered] = await Promise.all([search(fields, signal), countedHits(state, signal)])
  remember(hits)
  return { hits, unfiltered }
}

async function countedHits(state, signal) {
  const top = Math.max(COUNTED, hasFilters(state) ? 0 : state.top)
  if (counted.question === question(state) && counted.top >= top) return counted.hits
  const hits = await search([...asked(state), ["top", top]], signal)
  counted = { question: question(state), top, hits }
  remember(hits)
  return hits
}

const question = state => JSON.stringify(asked(state))

function asked(state) {
  const examples = ["like", "unlike"].flatMap(name => state[name].map(one => [name, one]))
  return [...examples, ...["colour", "layout"].filter(name => state[name]).map(name => [name, state[name]])]
}

const DIFFERENCE = "difference" // from the usual view of the camera that took the picture
const askedBy = () =>
  answers.phase === "done" ? [...new Set(answers.unfiltered.map(hit => hit.asked).filter(Boolean))] : []

/** The parts of the picture that the answers were found by, as x,y,w,h; none where all of it was asked. */
export const askedParts = () => askedBy().filter(part => part !== DIFFERENCE)

/** Was it asked by what it shows beyond the usual view of its camera? */
export const askedDifference = () => askedBy().includes(DIFFERENCE)

function filters(state) {
  const bounds = ["since", "until", "time_of_day"].filter(name => state[name]).map(name => [name, state[name]])
  return [...state.camera.map(one => ["camera", one]), ...bounds, ...(state.time_of_day ? [["zone", zone()]] : [])]
}

function publish(next) {
  answers = next
  listeners.forEach(listener => listener(answers))
}
