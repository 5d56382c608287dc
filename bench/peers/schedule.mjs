/**
 * The rounds of an op come in so many parts, with the networks between them: a shared machine may be slow for as long as all
 * of them would take in one go.
 */
const parts = 5;

const isLong = ({ kind }) => kind === "network" || kind === "cold";

/**
 * Measures rows and gives each result to `keep`, the networks' first.
 *
 * @param {readonly import("./work.mjs").Row[]} rows
 * @param {object} how
 * @param {(row: import("./work.mjs").Row) => Promise<import("./measure.mjs").Measurement>} how.open
 * @param {(row: import("./work.mjs").Row) => Promise<import("./measure.mjs").Result>} how.coldStart
 * @param {{ rounds: number, seconds: number }} how.turns
 * @param {(result: import("./measure.mjs").Result) => void} how.keep
 */
export async function measureRows(rows, { open, coldStart, turns, keep }) {
  /** All rounds of a row, one after the other. */
  const wholly = async (row) => {
    if (row.kind === "cold") return coldStart(row);
    const measurement = await open(row);
    try {
      await measurement.takeTurns(turns);
      return measurement.result();
    } finally {
      await measurement.close();
    }
  };
  const long = rows.filter(isLong);
  const between = Math.max(1, parts - 1);
  const upTo = (part) => Math.ceil((Math.min(part, between) * long.length) / between);
  const ops = [];
  try {
    for (const row of rows) if (!isLong(row)) ops.push(await open(row));
    for (let part = 0; part < parts; part++) {
      for (const measurement of ops) {
        await measurement.takeTurns(turns, parts);
        if (part === parts - 1) keep(measurement.result());
      }
      for (const row of long.slice(upTo(part), upTo(part + 1))) keep(await wholly(row));
    }
  } finally {
    for (const measurement of ops) await measurement.close();
  }
}
