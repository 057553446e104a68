/** The state of the page is its address: whoever has the URL sees the same. */

export const TOP = 48 // moments asked for at first, and more with each "show more"

/**
 * @typedef {Object} State
 * @property {string[]} like examples, as /search takes them: see examples.js
 * @property {string[]} unlike
 * @property {string[]} camera
 * @property {string} since RFC 3339, or seconds within the recording; "" for no bound
 * @property {string} until
 * @property {string} time_of_day such as 22:00-06:00
 * @property {string} colour what colour counts, 0 to 1; "" for the encoder's own
 * @property {string} layout what the position in the picture counts
 * @property {string} zone IANA name; "" for that of the browser
 * @property {string} min least similarity shown
 * @property {number} top
 * @property {string} view grid or timeline
 * @property {string} moment in the viewer: a frame, or SOURCE_ID@SECONDS
 * @property {string} browse cameras, outliers, duplicates or clusters; "" while searching
 */

/** @typedef {(state: State, before: State) => void} Listener */

const LISTS = /** @type {const} */ (["like", "unlike", "camera"])
const USUAL = {
  since: "",
  until: "",
  time_of_day: "",
  zone: "",
  min: "",
  colour: "",
  layout: "",
  top: TOP,
  view: "grid",
  moment: "",
  browse: "",
}
const RESTS = /** @type {(keyof typeof USUAL)[]} */ (Object.keys(USUAL))

/** @type {State} */
let state = read(location.search)
/** @type {Listener[]} */
const listeners = []

export const current = () => state

/** @param {Listener} listener */
export const onChange = listener => listeners.push(listener)

/**
 * @param {Partial<State>} patch
 * @param {{replace?: boolean}} [how] replace: what is not worth a step of "back"
 */
export function change(patch, { replace = false } = {}) {
  const before = state
  state = Object.freeze({ ...state, ...patch })
  const address = write(state)
  if (address === write(before)) return
  if (replace) history.replaceState(history.state, "", address)
  else history.pushState({ opensViewer: Boolean(state.moment && !before.moment) }, "", address)
  listeners.forEach(listener => listener(state, before))
}

/** Close what is looked at: by going back to where it was opened from, if that was here. */
export function closeViewer() {
  if (history.state?.opensViewer) history.back()
  else change({ moment: "" })
}

/** Call once, when all listen. */
export function begin() {
  addEventListener("popstate", () => {
    const before = state
    state = read(location.search)
    listeners.forEach(listener => listener(state, before))
  })
  listeners.forEach(listener => listener(state, read("")))
}

/** Did any of these change? @param {State} state @param {State} before @param {...keyof State} names */
export const differs = (state, before, ...names) => names.some(name => String(state[name]) !== String(before[name]))

/** @param {State} state */
export const hasFilters = state => Boolean(state.camera.length || state.since || state.until || state.time_of_day)

/** @type {Partial<State>} */
export const NO_FILTERS = { camera: [], since: "", until: "", time_of_day: "", min: "" }

/** @param {string} query @returns {State} */
function read(query) {
  const given = new URLSearchParams(query)
  const lists = LISTS.map(name => [name, [...new Set(given.getAll(name).filter(Boolean))]])
  const rest = Object.entries(USUAL).map(([name, usual]) => [name, given.get(name) || usual])
  const top = Math.min(1000, Math.max(1, Math.round(Number(given.get("top"))) || TOP))
  return Object.freeze({ ...Object.fromEntries([...lists, ...rest]), top })
}

/** @param {State} state */
function write(state) {
  const query = new URLSearchParams()
  for (const name of LISTS) state[name].forEach(value => query.append(name, value))
  for (const name of RESTS) if (state[name] !== USUAL[name]) query.set(name, String(state[name]))
  // What needs no escape in a query is left readable: a person will see this address.
  const text = String(query).replace(/%3A/g, ":").replace(/%40/g, "@").replace(/%2C/g, ",")
  return text ? `?${text}` : location.pathname
}
