/** Downloads: a table, made here, and pictures, made by the service. */

/** @import { Hit } from "../core/api.js" */

import { element } from "../core/dom.js"

const COLUMNS = [
  "id",
  "camera",
  "captured_at",
  "source",
  "time_s",
  "from_s",
  "to_s",
  "similarity",
  "percentile",
  "region",
]
export const MOST_FRAMES = 200 // of one request

/** @param {Hit[]} hits */
export function csv(hits) {
  const rows = hits.map(hit => [
    hit.id,
    hit.camera,
    hit.captured_at,
    hit.source,
    hit.time_s,
    ...hit.span_s,
    hit.score,
    hit.percentile,
    hit.region,
  ])
  return [COLUMNS, ...rows].map(row => row.map(cell).join(",")).join("\r\n") + "\r\n"
}

/** @param {unknown} value */
function cell(value) {
  const text = value == null ? "" : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** @param {Hit[]} hits */
export function saveCsv(hits) {
  const url = URL.createObjectURL(new Blob([csv(hits)], { type: "text/csv" }))
  element("a", { href: url, download: "moments.csv" }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/**
 * A form of its own, sent to a frame out of sight: the browser saves what comes as it comes, however much that is.
 * @param {Hit[]} hits
 * @param {(error: Error|null) => void} onFailure null: nothing was refused
 */
export function saveFrames(hits, onFailure) {
  const target = element("iframe", { name: "export", hidden: true, title: "Export" })
  const ids = hits.slice(0, MOST_FRAMES).map(hit => element("input", { type: "hidden", name: "id", value: hit.id }))
  const form = element("form", { action: "export", method: "post", target: "export", hidden: true }, ...ids)
  document.querySelectorAll("iframe[name=export], form[action=export]").forEach(node => node.remove())
  document.body.append(target, form)
  target.addEventListener("load", () => onFailure(refusal(target)))
  form.submit()
}

/** What was saved leaves the frame empty; what it shows is a refusal. @param {HTMLIFrameElement} target */
function refusal(target) {
  const page = target.contentDocument // browsers show JSON as a <pre>, some with further elements
  const text = (page?.querySelector("pre") ?? page?.body)?.textContent?.trim()
  if (!text) return null
  try {
    return new Error(`No frames were saved: ${JSON.parse(text).error.message}`)
  } catch {
    return new Error("No frames were saved: unexpected response of the service.")
  }
}
