/** Work that may wait until what was drawn before it is on the screen. */

const waiting = new Map()

/** Once the next frame is painted; of several with one name only the latest is done. */
export function afterPaint(name, work) {
  cancel(name)
  waiting.set(
    name,
    requestAnimationFrame(() =>
      waiting.set(
        name,
        requestAnimationFrame(() => [waiting.delete(name), work()])
      )
    )
  )
}

export function cancel(name) {
  cancelAnimationFrame(waiting.get(name))
  waiting.delete(name)
}
