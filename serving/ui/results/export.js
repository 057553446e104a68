/** What was found, to take along: a table made here, and pictures made by the service. */

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

/** @param {import("../core/api.js").Moment[]} moments */
export function csv(moments) {
  const rows = moments.map(one => [
    one.id,
    one.camera,
    one.captured_at,
    one.source,
    one.time_s,
    ...one.span_s,
    one.score,
    one.percentile,
    one.region,
  ])
  return [COLUMNS, ...rows].map(row => row.map(cell).join(",")).join("\r\n") + "\r\n"
}

function cell(value) {
  const text = value == null ? "" : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

export function saveCsv(moments) {
  const url = URL.createObjectURL(new Blob([csv(moments)], { type: "text/csv" }))
  element("a", { href: url, download: "moments.csv" }).click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

/** A form of its own, sent to a frame out of sight: the browser saves what comes as it comes, however much that is. */
export function saveFrames(moments, onFailure) {
  const target = element("iframe", { name: "export", hidden: true, title: "Export" })
  const ids = moments.slice(0, MOST_FRAMES).map(one => element("input", { type: "hidden", name: "id", value: one.id }))
  const form = element("form", { action: "export", method: "post", target: "export", hidden: true }, ...ids)
  document.querySelectorAll("iframe[name=export], form[action=export]").forEach(one => one.remove())
  document.body.append(target, form)
  target.addEventListener("load", () => onFailure(refusal(target)))
  form.submit()
}

/** What was saved leaves the frame empty; what it shows is a refusal. */
function refusal(target) {
  const page = target.contentDocument // browsers show JSON as a <pre>, some with things of their own around it
  const text = (page?.querySelector("pre") ?? page?.body)?.textContent.trim()
  if (!text) return null
  try {
    return new Error(`No frames were saved: ${JSON.parse(text).error.message}`)
  } catch {
    return new Error("No frames were saved: the service does not answer as expected.")
  }
}
