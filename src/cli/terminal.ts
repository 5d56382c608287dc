import { SingleBar } from "cli-progress";
import Table from "cli-table3";

/** The options that every command takes. */
export interface GlobalOptions {
  readonly device?: string | undefined;
  readonly limits: "adapter" | "default";
  readonly json: boolean;
  readonly quiet: boolean;
  readonly seed: number;
  readonly debug: boolean;
}

/** Where a command's words go: results to stdout, everything else to stderr. */
export class Terminal {
  readonly json: boolean;
  readonly #quiet: boolean;

  constructor({ json, quiet }: Pick<GlobalOptions, "json" | "quiet">) {
    this.json = json;
    this.#quiet = quiet;
  }

  /** A result as a person reads it; left out under --json. */
  result(text: string): void {
    if (!this.json) process.stdout.write(`${text}\n`);
  }

  /** A result as a program reads it: one line, under --json only. */
  object(value: object): void {
    if (this.json) process.stdout.write(`${JSON.stringify(value)}\n`);
  }

  /** What a person may like to know meanwhile; left out under --quiet. */
  note(text: string): void {
    if (!this.#quiet) process.stderr.write(`${text}\n`);
  }

  /** A bar on stderr where a person sits there; undefined otherwise. */
  bar(format: string): SingleBar | undefined {
    if (this.#quiet || !process.stderr.isTTY) return undefined;
    return new SingleBar({
      format,
      stream: process.stderr,
      hideCursor: false, // a killed process would leave the terminal without one
      clearOnComplete: true,
      barsize: 24,
      fps: 10,
    });
  }
}

/** Rows under a head, columns of numbers to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const isNumeric = head.map(
    (_, c) => rows.length > 0 && rows.every((row) => /^[\d.,%–-]/.test(String(row[c]))),
  );
  const bare = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "" };
  const lines = new Table({
    head: [...head],
    colAligns: isNumeric.map((numeric) => (numeric ? "right" : "left")),
    // Without frames and colours: the same text on a terminal, in a file and in a mail.
    chars: {
      ...bare,
      "bottom-left": "",
      "bottom-right": "",
      left: "",
      "left-mid": "",
      mid: "",
      "mid-mid": "",
      right: "",
      "right-mid": "",
      middle: "  ",
    },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const row of rows) lines.push(row.map(String));
  return lines
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** `61,706` */
export const grouped = (value: number): string => Math.round(value).toLocaleString("en-US");

/** `1.23 G`, `569.0 M` */
export function scaled(value: number): string {
  const units = ["", " k", " M", " G", " T"];
  let k = 0;
  while (value >= 1000 && k < units.length - 1) {
    value /= 1000;
    k++;
  }
  return `${k === 0 ? value : value.toPrecision(value >= 100 ? 4 : 3)}${units[k]}`;
}

/** `97.7%` */
export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
