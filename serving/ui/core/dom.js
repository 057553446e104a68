/** Elements, made in one line. Data only ever becomes text or attributes, never markup. */

/**
 * @param {string} tag
 * @param {Object<string, any>} [given] `onclick: f` listens, what the element knows is set, all else is an attribute
 * @param {...(Node|string|null|undefined|false)} children
 */
export function element(tag, given = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(given)) give(node, name, value)
  node.append(...children.filter(child => child != null && child !== false))
  return node
}

function give(node, name, value) {
  if (value == null || value === false) return
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
  else if (name === "style") Object.entries(value).forEach(([key, one]) => node.style.setProperty(key, one))
  else if (name in node && !name.includes("-")) node[name] = value
  else node.setAttribute(name, value === true ? "" : value)
}

export const by = id => document.getElementById(id)

/** Text for those who hear the page. */
export const spoken = text => element("span", { className: "spoken" }, text)

/** Arrow keys go through `nodes`, of which one is in the tab order. Returns the step that a key means, or 0. */
export function arrowStep(event, perRow = 1) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return 0
  return { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow }[event.key] ?? 0
}

export const isTyping = target =>
  Boolean(target.closest?.("input:not([type=range], [type=checkbox]), select, textarea"))
