import { writeFileAtomic } from "../io/atomic-file";
import { InputError, quoted } from "../io/errors";
import { readInputFile } from "../io/read-file";
import { type BenchRow, csvOf } from "./rows";

const format = "striate-bench";

/**
 * Writes rows as the file's name says: `.csv` with a line a row, or `.json` with samples and profiles, which
 * `readBenchRows` reads. Whoever looks sees the old file or the new one, whole.
 *
 * @throws RangeError for another ending, InputError when the file cannot be written
 */
export async function writeBenchRows(file: string, rows: readonly BenchRow[]): Promise<void> {
  const text =
    endingOf(file) === ".csv"
      ? csvOf(rows)
      : `${JSON.stringify({ format, version: 1, rows }, undefined, 1)}\n`;
  await writeFileAtomic(file, new TextEncoder().encode(text));
}

/** @throws RangeError for a file that `writeBenchRows` would refuse */
export function endingOf(file: string): ".csv" | ".json" {
  const ending = /\.[^./\\]*$/.exec(file)?.[0].toLowerCase();
  if (ending === ".csv" || ending === ".json") return ending;
  throw new RangeError(`results go to a .csv or a .json file, given ${quoted(file)}`);
}

/**
 * Reads rows that `writeBenchRows` wrote as JSON, or that `striate bench --json` printed.
 *
 * @throws InputError `cannot read X: reason`, naming the row and the field that is not as expected
 */
export async function readBenchRows(file: string): Promise<BenchRow[]> {
  const text = new TextDecoder().decode(await readInputFile(file));
  const refuse = (reason: string): never => {
    throw new InputError(
      `cannot read ${file}: ${reason}; expected what \`striate bench\` leaves by --results-file F.json or --json`,
    );
  };
  const rows = parseRows(text);
  if (rows === undefined) return refuse("it is not JSON");
  if (!Array.isArray(rows)) return refuse("it has no list of rows");
  const measured: unknown[] = rows.filter((row: unknown) => typeof fieldOf(row, "error") !== "string");
  if (measured.length === 0) return refuse("it has no rows");
  return measured.map((row: unknown, k) => {
    const wrong = problemOf(row);
    return wrong === undefined ? (row as BenchRow) : refuse(`row ${k + 1}: ${wrong}`);
  });
}

/** The rows of a file of one value, or of one value a line; undefined when it is neither. */
function parseRows(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return value;
    return fieldOf(value, "circumstances") === null ? fieldOf(value, "rows") : [value];
  } catch {
    try {
      return text
        .split("\n")
        .filter((line) => line.trim() !== "")
        .map((line): unknown => JSON.parse(line));
    } catch {
      return undefined;
    }
  }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null ? (Reflect.get(value, name) ?? null) : null;

/** What a comparison needs and the row has not. */
function problemOf(row: unknown): string | undefined {
  const isOp = typeof fieldOf(row, "op") === "string";
  const texts = isOp ? ["op", "case"] : ["model", "mode", "precision"];
  for (const name of texts) if (typeof fieldOf(row, name) !== "string") return `${name} is missing`;
  for (const name of isOp ? [] : ["batch", "imageSize"])
    if (typeof fieldOf(row, name) !== "number") return `${name} is missing`;
  if (typeof fieldOf(fieldOf(row, "circumstances"), "adapter") !== "string")
    return "circumstances.adapter is missing";
  const times = isOp ? "time" : "step";
  const spread = fieldOf(row, times);
  for (const name of ["median", "low", "high"])
    if (!(Number(fieldOf(spread, name) ?? Number.NaN) > 0)) return `${times}.${name} is no time`;
  const samples = fieldOf(spread, "samples");
  if (
    !Array.isArray(samples) ||
    samples.length === 0 ||
    !samples.every((s) => typeof s === "number" && s > 0)
  )
    return `${times}.samples is no list of times`;
  return undefined;
}
