/** Elements, made in one line. Data only ever becomes text or attributes, never markup. */

/**
 * Elements of index.html that are more than an HTMLElement, by their ids.
 * @typedef {Object} Named
 * @property {HTMLButtonElement} export-csv
 * @property {HTMLButtonElement} export-frames
 * @property {HTMLInputElement} file
 * @property {HTMLDetailsElement} filters
 * @property {HTMLDialogElement} keys
 * @property {HTMLInputElement} min
 * @property {HTMLInputElement} more-file
 * @property {HTMLInputElement} since
 * @property {HTMLImageElement} stage-image
 * @property {HTMLInputElement} time-of-day
 * @property {HTMLInputElement} until
 * @property {HTMLDialogElement} viewer
 * @property {HTMLInputElement} weight-colour
 * @property {HTMLInputElement} weight-layout
 * @property {HTMLSelectElement} zone
 */

/**
 * What `element` gives to a new element: listeners by `onclick` and so on, properties, and attributes by their names.
 * @typedef {Object} Listeners
 * @property {(event: MouseEvent) => void} [onclick]
 * @property {(event: Event) => void} [onchange]
 * @property {(event: Event) => void} [oninput]
 *
 * @typedef {Listeners & {style?: Record<string, string>} & Record<string, unknown>} Given
 */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Given} [given] `onclick: f` listens, properties of the element are set, the rest are attributes
 * @param {...(Node|string|null|undefined|false)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, given = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(given)) give(node, name, value)
  node.append(...children.filter(child => child != null && child !== false))
  return node
}

/** @param {HTMLElement} node @param {string} name @param {any} value */
function give(node, name, value) {
  if (value == null || value === false) return
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
  else if (name === "style") Object.entries(value).forEach(([key, text]) => node.style.setProperty(key, text))
  else if (name in node && !name.includes("-")) Object.assign(node, { [name]: value })
  else node.setAttribute(name, value === true ? "" : value)
}

/**
 * The element of index.html that has this id.
 * @template {string} Id
 * @param {Id} id
 * @returns {Id extends keyof Named ? Named[Id] : HTMLElement}
 */
export const by = id => /** @type {any} */ (document.getElementById(id))

/** The input of an event. @param {Event} event */
export const inputOf = event => /** @type {HTMLInputElement} */ (event.target)

/** The focused element. */
export const focused = () => /** @type {HTMLElement|null} */ (document.activeElement)

/**
 * The elements within `root` that a selector picks.
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
export const all = (root, selector) =>
  [...root.querySelectorAll(selector)].map(node => /** @type {HTMLElement} */ (node))

/**
 * The first of them.
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {HTMLElement|null}
 */
export const first = (root, selector) => root.querySelector(selector)

/**
 * The nearest element that a selector picks, from the target of the event outwards.
 * @param {EventTarget|null} target
 * @param {string} selector
 * @returns {HTMLElement|null}
 */
export const around = (target, selector) => (target instanceof Element ? target.closest(selector) : null)

/** Text for screen readers. @param {string} text */
export const spoken = text => element("span", { className: "spoken" }, text)

/**
 * Arrow keys go through nodes; a single node is in the tab order. Returns: the step of a key, or 0.
 * @param {KeyboardEvent} event
 */
export function arrowStep(event, perRow = 1) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return 0
  return pick({ ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow }, event.key) ?? 0
}

/**
 * The value of a key in a table, such as the key of a keyboard event.
 * @template Value
 * @param {Record<string, Value>} table
 * @param {string} key
 * @returns {Value|undefined}
 */
export const pick = (table, key) => table[key]

/** @param {EventTarget|null} target */
export const isTyping = target => Boolean(around(target, "input:not([type=range], [type=checkbox]), select, textarea"))
