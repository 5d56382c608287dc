import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** @typedef {import("./measure.mjs").Result} Result */
/** @typedef {{ row: string, what: string, reached: number, goal: number, met: boolean }} Verdict */

/** jax-js has one goal for all rows: Striate is to be faster. */
const goalOf = (peer, result) => (peer === "TensorFlow.js" ? result.goal : peer === "jax-js" ? 1 : undefined);

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

const ms = (time) => (time < 100 ? time.toFixed(1) : time.toFixed(0));
const percent = (share) => `${(100 * share).toFixed(0)} %`;
const mark = (met) => (met ? "met" : "**below**");

function cellsOf(result, peers) {
  const own = result.measured[0];
  const cells = [result.row, own.error ?? ms(own.time.median)];
  for (const name of peers) {
    const found = result.measured.find(({ peer }) => peer === name);
    if (found === undefined) cells.push("–", "–", "–");
    else if (found.error !== undefined) cells.push(found.error, "–", "–");
    else {
      const { time, ratio } = found;
      const goal = goalOf(name, result);
      cells.push(
        ms(time.median),
        ratio === undefined
          ? "–"
          : `${ratio.median.toFixed(2)} (${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)})`,
        goal === undefined || ratio === undefined ? "–" : `${goal} ${mark(ratio.median >= goal)}`,
      );
    }
  }
  const { share } = own;
  if (share === undefined || result.share === undefined) return [...cells, "–", "–"];
  const { of, goal } = result.share;
  return [
    ...cells,
    `${percent(share.median)} (${percent(share.low)}–${percent(share.high)}) ${of}`,
    `${percent(goal)} ${mark(share.median >= goal)}`,
  ];
}

/** The peers' names in the order of their columns. @param {readonly Result[]} results */
export const peersOf = (results) => [
  ...new Set(results.flatMap(({ measured }) => measured.slice(1).map(({ peer }) => peer))),
];

/** The head of the table. @param {readonly string[]} peers */
export function head(peers) {
  const columns = [
    "row",
    "Striate ms",
    ...peers.flatMap((peer) => [`${peer} ms`, "times as long (quartiles)", "goal"]),
    "share of the peak (quartiles)",
    "goal",
  ];
  return [columns, columns.map(() => "---")].map(line).join("\n");
}

const line = (cells) => `| ${cells.join(" | ")} |`;

/** A row of the table. @param {Result} result @param {readonly string[]} peers */
export const rowOf = (result, peers) => line(cellsOf(result, peers));

/** One line: which rows are below their goals. @param {readonly Result[]} results */
export function conclusion(results) {
  const all = results.flatMap(verdicts);
  const below = all.filter(({ met }) => !met);
  const number = (what, value) => (what.startsWith("of") ? percent(value) : value.toFixed(2));
  const list = below.map(
    ({ row, what, reached, goal }) => `${row} (${number(what, reached)} ${what}, goal ${number(what, goal)})`,
  );
  return below.length === 0
    ? `all ${all.length} goals met`
    : `${below.length} of ${all.length} goals not met: ${list.join("; ")}`;
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
  const place = (id) => (order.includes(id) ? order.indexOf(id) : order.length);
  const sorted = [...made.values()].sort((a, b) => place(a.row) - place(b.row));
  // Only the runs that still have a row.
  const used = [...new Set(sorted.map((result) => result.run))].sort((a, b) => a - b);
  const runs = used.map((k) => (k === run ? circumstances : before.runs[k]));
  const renumbered = sorted.map((result) => ({ ...result, run: used.indexOf(result.run) }));
  writeFileSync(path, `${JSON.stringify({ runs, results: renumbered }, rounded, 1)}\n`);
}

/** Five digits are more than the noise leaves. */
const rounded = (_, value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);
