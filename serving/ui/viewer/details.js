/** What is known of a moment, in words. */

/** @import { Media, Moment, Recording } from "../core/api.js" */

import { element } from "../core/dom.js"
import * as format from "../core/format.js"

/** @param {Moment} moment @param {(Recording & Media)|null} info of its recording; null while it is not there */
export function details(moment, info) {
  const share = format.percentile(moment)
  const size = info?.width ? `${info.width} \u00d7 ${info.height}` : ""
  const position = [format.span(moment), info && `of ${format.clip(info.length_s, 0)}`].filter(Boolean).join(" ")
  const rows = [
    ["When", moment.captured_at ? format.when(moment) : "not known"],
    ["Position", info?.kind === "picture" ? "" : position],
    ["Similarity", moment.score == null ? "" : format.score(moment.score), share],
    ["Recording", format.fileName(moment.source), moment.source],
    ["Size", size],
  ]
  return element(
    "dl",
    { className: "details" },
    ...rows
      .filter(row => row[1])
      .flatMap(([name, value, more]) => [
        element("dt", {}, name),
        element(
          "dd",
          { title: name === "Recording" ? more : null },
          value,
          name === "Similarity" && more ? element("small", {}, `${more}.`) : null
        ),
      ])
  )
}
