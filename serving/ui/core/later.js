/** Work that waits until the previous drawing is on the screen. */

/** Requests of an animation frame, by the name of their work. @type {Map<string, number>} */
const waiting = new Map()

/**
 * Run work after the next frame is painted; of several with one name, only the latest runs.
 * @param {string} name
 * @param {() => void} work
 */
export function afterPaint(name, work) {
  cancel(name)
  const now = () => [waiting.delete(name), work()]
  const next = () => waiting.set(name, requestAnimationFrame(now))
  waiting.set(name, requestAnimationFrame(next))
}

/** @param {string} name */
export function cancel(name) {
  cancelAnimationFrame(waiting.get(name) ?? 0) // none has the number 0
  waiting.delete(name)
}
