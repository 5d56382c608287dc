import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { digestDifference } from "./digest.mjs";
import { toleranceOf } from "./work.mjs";

/** @typedef {import("./measure.mjs").Result} Result */
/** @typedef {{ row: string, what: string, reached: number, goal: number, met: boolean }} Verdict */

/** jax-js has one goal for all rows: Striate is to be faster. */
const goalOf = (peer, result) => (peer === "TensorFlow.js" ? result.goal : peer === "jax-js" ? 1 : undefined);

/** PyTorch runs elsewhere, for reading beside: it is no goal and has no column for one. */
const hasGoals = (peer) => !peer.startsWith("PyTorch");

/** What a row was to reach and what it has. @param {Result} result @returns {Verdict[]} */
export function verdicts(result) {
  const [own, ...others] = result.measured;
  const { row } = result;
  const found = [];
  if (own.error !== undefined || own.time === undefined) {
    return [{ row, what: `Striate: ${own.error}`, reached: 0, goal: 1, met: false }];
  }
  for (const { peer, ratio } of others) {
    const goal = goalOf(peer, result);
    if (goal === undefined || ratio === undefined) continue;
    const reached = ratio.median;
    found.push({ row, what: `× ${peer}`, reached, goal, met: reached >= goal });
  }
  if (own.share !== undefined && result.share !== undefined) {
    const { of, goal } = result.share;
    const reached = own.share.median;
    found.push({ row, what: `of peak ${of}`, reached, goal, met: reached >= goal });
  }
  return found;
}

const ms = (time) => (time < 100 ? time.toPrecision(3) : time.toFixed(0));
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const mark = (met) => (met ? "met" : "**below**");

/** @param {Result} result @param {readonly string[]} peers */
function cellsOf(result, peers) {
  const own = result.measured[0];
  const cells = [result.row, own?.error ?? (own?.time === undefined ? "–" : ms(own.time.median))];
  for (const name of peers) {
    const found = result.measured.slice(1).find(({ peer }) => peer === name);
    const { time, ratio } = found ?? {};
    const goal = goalOf(name, result);
    cells.push(found?.error ?? (time === undefined ? "–" : ms(time.median)));
    cells.push(ratio === undefined ? "–" : ratioText(ratio));
    if (hasGoals(name))
      cells.push(goal === undefined || ratio === undefined ? "–" : `${goal} ${mark(ratio.median >= goal)}`);
  }
  const share = own?.share;
  if (share === undefined || result.share === undefined) return [...cells, "–", "–"];
  const { of, goal } = result.share;
  return [
    ...cells,
    `${percent(share.median)} (${percent(share.low)}–${percent(share.high)}) ${of}`,
    `${percent(goal)} ${mark(share.median >= goal)}`,
  ];
}

const ratioText = ({ median, low, high }) => `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;

/** The names after the first in the order of their columns. @param {readonly Result[]} results */
export const peersOf = (results) => [
  ...new Set(results.flatMap(({ measured }) => measured.slice(1).map(({ peer }) => peer))),
];

/** The head of the table. @param {readonly string[]} peers @param {string} first the one the others are compared with */
export function head(peers, first = "Striate") {
  const columns = [
    "row",
    `${first} ms`,
    ...peers.flatMap((peer) => [
      `${peer} ms`,
      "times as long (quartiles)",
      ...(hasGoals(peer) ? ["goal"] : []),
    ]),
    "share of the peak (quartiles)",
    "goal",
  ];
  return [columns, columns.map(() => "---")].map(line).join("\n");
}

const line = (cells) => `| ${cells.join(" | ")} |`;

/** A row of the table. @param {Result} result @param {readonly string[]} peers */
export const rowOf = (result, peers) => line(cellsOf(result, peers));

/** The whole table with its conclusion. @param {readonly Result[]} results */
export function tableOf(results) {
  const peers = peersOf(results);
  const first = results[0]?.measured[0]?.peer;
  const lines = [head(peers, first), ...results.map((result) => rowOf(result, peers))];
  return first === "Striate" ? `${lines.join("\n")}\n\n${conclusion(results)}` : lines.join("\n");
}

/** What Striate failed at: a table with such rows is no success. @param {readonly Result[]} results */
export const failuresOf = (results) =>
  results.flatMap(({ row, measured: [own] }) =>
    own?.time === undefined ? [`${row}: Striate: ${own?.error ?? "not measured"}`] : [],
  );

/** Shorter types than f32 round more: their results are not held to be equal. */
const isExact = (peer) => !/TF32|AMP/.test(peer);

/**
 * Puts another process's results, PyTorch's, beside these, row by row, where the results agree. They were not measured
 * by turns, so the ratio's quartiles are the widest that both sides' quartiles allow.
 *
 * @param {readonly Result[]} results
 * @param {readonly Result[]} others
 * @returns {Result[]}
 */
export function beside(results, others) {
  const found = new Map(others.map(({ row, measured }) => [row, measured]));
  return results.map((result) => {
    const [own] = result.measured;
    const tolerance = toleranceOf(result.row);
    const added = (found.get(result.row) ?? []).map((measured) => {
      const { ratio: _, ...rest } = measured;
      const difference = digestDifference(measured.digest, own?.digest);
      if (isExact(measured.peer) && difference !== undefined && !(difference <= tolerance))
        return {
          ...rest,
          error: `results differ by ${difference.toPrecision(2)}, relative; at most ${tolerance}`,
        };
      const { time } = measured;
      if (own?.time === undefined || time === undefined) return { ...rest, difference };
      const ratio = {
        median: time.median / own.time.median,
        low: time.low / own.time.high,
        high: time.high / own.time.low,
      };
      return { ...rest, difference, ratio };
    });
    return { ...result, measured: [...result.measured, ...added] };
  });
}

/** One line: which rows are below their goals. @param {readonly Result[]} results */
export function conclusion(results) {
  const all = results.flatMap(verdicts);
  const below = all.filter(({ met }) => !met);
  const number = (what, value) => (what.startsWith("of") ? percent(value) : value.toFixed(2));
  const list = below.map(
    ({ row, what, reached, goal }) => `${row} (${number(what, reached)} ${what}, goal ${number(what, goal)})`,
  );
  if (all.length === 0) return "no goals are set for these rows";
  return below.length === 0
    ? `all ${all.length} goals met`
    : `${below.length} of ${all.length} goals not met: ${list.join("; ")}`;
}

/** Results in the order of the rows that these ids name. @param {readonly string[]} order */
export function inOrder(results, order) {
  const place = (id) => (order.includes(id) ? order.indexOf(id) : order.length);
  return [...results].sort((a, b) => place(a.row) - place(b.row));
}

/**
 * Adds results to a file: a row measured again replaces the old one, so that a table can be made in pieces. Each row
 * points to the circumstances of the run in which it was measured.
 *
 * @param {string} path
 * @param {object} circumstances
 * @param {readonly Result[]} results
 * @param {readonly string[]} order the ids of all rows
 */
export function save(path, circumstances, results, order) {
  const before = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { runs: [], results: [] };
  const run = before.runs.length;
  const made = new Map(before.results.map((result) => [result.row, result]));
  for (const result of results) made.set(result.row, { ...result, run });
  const sorted = inOrder([...made.values()], order);
  // Only the runs that still have a row.
  const used = [...new Set(sorted.map((result) => result.run))].sort((a, b) => a - b);
  const runs = used.map((k) => (k === run ? circumstances : before.runs[k]));
  const renumbered = sorted.map((result) => ({ ...result, run: used.indexOf(result.run) }));
  writeFileSync(path, `${JSON.stringify({ runs, results: renumbered }, rounded, 1)}\n`);
}

/** Five digits are more than the noise leaves. */
const rounded = (_, value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
