/** Where a time lies on a line that has room for what was recorded, and little for the hours between. */

/**
 * A piece of the line; at, width: shares of it.
 * @typedef {{from: number, to: number, isFootage: boolean, at: number, width: number}} Piece
 *
 * @typedef {[from: number, to: number]} Interval
 * @typedef {{pieces: Piece[], place: (time: number) => number, time: (share: number) => number}} Axis
 */

/**
 * Gaps take at most as much room as the footage, all together; footage without a gap has a line as even as any.
 * @param {Interval[]} intervals of footage
 * @param {Interval} bounds what of it to show
 * @returns {Axis}
 */
export function makeAxis(intervals, [from, to]) {
  /** @type {Interval[]} */
  const within = intervals.map(([a, b]) => [Math.max(a, from), Math.min(b, to)])
  const footage = merged(within.filter(([a, b]) => b >= a))
  const pieces = laidOut(footage.length ? footage : [[from, Math.max(to, from + 1)]])
  return {
    pieces,
    place: time => {
      const piece = firstWhere(pieces, candidate => time <= candidate.to)
      return piece.at + piece.width * clamp((time - piece.from) / (piece.to - piece.from || 1))
    },
    time: share => {
      const piece = firstWhere(pieces, candidate => share <= candidate.at + candidate.width)
      return piece.from + (piece.to - piece.from) * clamp((share - piece.at) / (piece.width || 1))
    },
  }
}

/** By bisection; the last, if none. @param {Piece[]} pieces @param {(piece: Piece) => boolean} isMet */
function firstWhere(pieces, isMet) {
  let [low, high] = [0, pieces.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isMet(pieces[middle])) high = middle
    else low = middle + 1
  }
  return pieces[low]
}

/** Sort intervals, and merge those that meet or are nearer than this. @param {Interval[]} intervals */
export function merged(intervals, near = 0) {
  /** @type {Interval[]} */
  const runs = []
  for (const [from, to] of [...intervals].sort((a, b) => a[0] - b[0])) {
    const last = runs.at(-1)
    if (last && from <= last[1] + near) last[1] = Math.max(last[1], to)
    else runs.push([from, to])
  }
  return runs
}

/** @param {Interval[]} footage @returns {Piece[]} */
function laidOut(footage) {
  const recorded = footage.reduce((sum, [from, to]) => sum + to - from, 0) || 1
  const widest = recorded / Math.max(1, footage.length - 1)
  /** @type {Omit<Piece, "at">[]} */
  const pieces = []
  for (const [from, to] of footage) {
    const last = pieces.at(-1)
    if (last) pieces.push({ from: last.to, to: from, isFootage: false, width: Math.min(from - last.to, widest) })
    pieces.push({ from, to, isFootage: true, width: to - from })
  }
  const total = pieces.reduce((sum, piece) => sum + piece.width, 0) || 1
  let at = 0
  return pieces.map(piece => {
    const placed = { ...piece, at: at / total, width: piece.width / total }
    at += piece.width
    return placed
  })
}

/**
 * Times to write beside the line, as many as there is room for: those before others in `wanted` come first.
 * @param {Axis} axis
 * @param {{time: number, text: string}[]} wanted
 * @param {number} apart share of the line that a text takes
 * @returns {{at: number, text: string, isLeft: boolean}[]} isLeft: no room to the right of it is left
 */
export function ticks(axis, wanted, apart) {
  /** @type {{at: number, text: string, isLeft: boolean, from: number}[]} */
  const taken = []
  for (const { time, text } of wanted) {
    const at = axis.place(time)
    const isLeft = at + apart > 1
    const from = isLeft ? at - apart : at
    if (taken.every(tick => Math.abs(tick.from - from) >= apart)) taken.push({ at, text, isLeft, from })
  }
  return taken
}

/**
 * Times within the footage that are round, about `many` of them.
 * @param {Axis} axis
 * @param {number} many
 * @param {number} second in the unit of the axis
 * @param {number} [shift] from the times of the axis to those that are to be round: of a zone's clock
 */
export function roundTimes(axis, many, second, shift = 0) {
  const footage = axis.pieces.filter(piece => piece.isFootage)
  const length = footage.reduce((sum, span) => sum + span.to - span.from, 0)
  const step = second * (STEPS.find(step => length / (step * second) <= many) ?? Math.ceil(length / second / many))
  return footage.flatMap(({ from, to }) => {
    const [first, last] = [Math.ceil((from + shift) / step), Math.floor((to + shift) / step)]
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => (first + n) * step - shift)
  })
}

const STEPS = [
  0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
]

/** @param {number} share */
const clamp = share => Math.min(1, Math.max(0, share))
