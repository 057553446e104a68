/** What to look for, or to keep away from, as /search takes it: `FRAME`, `picture:ID` or `moment:SOURCE@SECONDS`, each with `#x,y,w,h`. */

/**
 * @typedef {{x: number, y: number, w: number, h: number}} Region in shares of the picture
 * @typedef {{kind: "frame"|"picture"|"moment", id: string, time_s: number, region: Region|null}} Example id: of a frame, picture or recording
 */

/** @returns {Example} */
export function parse(text) {
  const [what, part] = text.split("#")
  const region = part ? readRegion(part) : null
  if (what.startsWith("picture:")) return { kind: "picture", id: what.slice(8), time_s: 0, region }
  if (!what.startsWith("moment:")) return { kind: "frame", id: what, time_s: 0, region }
  const [id, time] = what.slice(7).split("@")
  return { kind: "moment", id, time_s: Number(time) || 0, region }
}

/** @param {Example} example */
export function write({ kind, id, time_s, region }) {
  const what = { frame: id, picture: `picture:${id}`, moment: `moment:${id}@${round(time_s)}` }[kind]
  return region ? `${what}#${writeRegion(region)}` : what
}

export const withRegion = (text, region) => write({ ...parse(text), region })

export const moment = (id, time_s, region = null) => write({ kind: "moment", id, time_s, region })

/** The example that a hit is: its frame, with the vector that is stored for it. A recording's moment has no id. */
export const ofMoment = one => one.id ?? moment(one.source_id, one.time_s)

/** @returns {Region} */
export function readRegion(text) {
  const [x, y, w, h] = text.split(",").map(Number)
  return { x, y, w, h }
}

const writeRegion = ({ x, y, w, h }) => [x, y, w, h].map(round).join(",")

const round = number => String(Math.round(number * 1000) / 1000)
