/** What is known of a moment, in words. */

import { element } from "../core/dom.js"
import * as format from "../core/format.js"

/**
 * @param {import("../core/api.js").Moment} moment
 * @param {{kind: string, width: number, height: number, length_s: number}|null} info of its recording; null while it is not there
 */
export function details(moment, info) {
  const share = format.percentile(moment)
  const size = info?.width ? `${info.width} \u00d7 ${info.height}` : ""
  const rows = [
    ["When", moment.captured_at ? format.when(moment) : "not known"],
    [
      "Position",
      info?.kind === "picture"
        ? ""
        : [format.span(moment), info && `of ${format.clip(info.length_s, 0)}`].filter(Boolean).join(" "),
    ],
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
