import type { SingleBar } from "cli-progress";
import type { Bench } from "../bench/bench";
import { type Change, compareRow } from "../bench/compare";
import { type BenchRow, isOpRow, type NetworkRow, type OpRow, titleOf } from "../bench/rows";
import type { BenchEvent } from "../bench/run";
import { formatBytes, GpuError } from "../errors";
import type { ProfileGroup } from "../profile";
import { grouped, percent, scaled, type Terminal, table } from "./terminal";

/** Three significant figures, without an exponent. */
const short = (value: number): string =>
  value >= 1000
    ? grouped(value)
    : value === 0
      ? "0"
      : value < 0.001
        ? value.toFixed(4)
        : String(Number(value.toPrecision(3)));

/** Rows as they come on a terminal, and as tables at the end. */
export class BenchView {
  readonly #failures: string[] = [];
  readonly #changes = new Map<BenchRow, Change | undefined>();
  #bar: SingleBar | undefined;
  #title = "";
  #count = 0;

  constructor(
    private readonly terminal: Terminal,
    /** Rows to compare with. */
    private readonly old: readonly BenchRow[] | undefined,
  ) {}

  show(event: BenchEvent<BenchRow>): void {
    if (event.kind === "adapter") this.terminal.note(adapterLine(event.bench));
    if (event.kind === "start") {
      this.#title = event.title;
      this.#bar = this.terminal.bar(`{title}  {bar}  {value}/{total}  {eta_formatted}`);
      if (this.#bar === undefined) this.terminal.note(event.title);
    }
    if (event.kind === "row" || event.kind === "failure") this.#stopBar();
    if (event.kind === "failure") {
      this.#failures.push(`${event.title}: ${event.error.message}`);
      this.#count++;
      this.terminal.note(`${event.title}: failed`);
      this.terminal.object({ title: event.title, error: event.error.message });
    }
    if (event.kind === "row") {
      this.#count++;
      const { row } = event;
      const change = this.old === undefined ? undefined : compareRow(row, this.old);
      this.#changes.set(row, change);
      this.terminal.object({ ...row, ...(this.old === undefined ? {} : { compare: change ?? null }) });
    }
  }

  /** Steps of the row that is being measured. */
  progress(done: number, total: number): void {
    if (this.#bar?.isActive !== true) this.#bar?.start(total, done, { title: this.#title });
    else this.#bar.update(done);
  }

  #stopBar(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  /** The tables of all rows. */
  end(rows: readonly BenchRow[]): void {
    this.#stopBar();
    if (rows.length === 0) return;
    const networks = rows.filter((row): row is NetworkRow => !isOpRow(row));
    const ops = rows.filter(isOpRow);
    for (const row of networks) if (row.profile !== undefined) this.#profile(row);
    if (networks.length > 0) this.terminal.result(networkTable(networks));
    if (ops.length > 0) this.terminal.result(opTable(ops));
    if (this.old !== undefined) this.terminal.result(changeTable(rows, this.#changes));
    for (const line of new Set(rows.map(circumstanceLine))) this.terminal.result(line);
  }

  #profile(row: NetworkRow): void {
    const { profile } = row;
    if (profile === undefined) return;
    this.terminal.result(`${titleOf(row)}, by layer`);
    this.terminal.result(groupTable(profile.layers));
    this.terminal.result(`\n${titleOf(row)}, by op`);
    this.terminal.result(`${groupTable(profile.ops)}\n`);
  }

  /** @throws GpuError when some rows could not be measured, and why */
  throwFailures(): void {
    if (this.#failures.length > 0)
      throw new GpuError(
        `${this.#failures.length} of ${this.#count} rows failed: ${this.#failures.join("; ")}`,
      );
  }
}

const adapterLine = ({ circumstances: { adapter, driver }, peaks }: Bench): string =>
  `${adapter} (${driver}): ${short(peaks.gflops)} GFLOP/s multiply-add, ${short(peaks.gbPerSecond)} GB/s copy, ${short(peaks.launchUs)} µs a dispatch`;

function circumstanceLine({ circumstances: c, peaks }: BenchRow): string {
  return [
    `${c.adapter}${c.backend === "" ? "" : ` (${c.backend})`}, ${c.driver}; ${c.cpu}; ${c.os}; Node ${c.node}; webgpu ${c.webgpu}; striate ${c.striate}${c.commit === "" ? "" : ` ${c.commit}`}; toggles ${c.toggles.join(" ")}`,
    `peaks: ${short(peaks.gflops)} GFLOP/s multiply-add, ${short(peaks.gbPerSecond)} GB/s copy, ${short(peaks.launchUs)} µs a dispatch`,
  ].join("\n");
}

const networkTable = (rows: readonly NetworkRow[]): string =>
  table(
    [
      "model",
      "mode",
      "precision",
      "batch",
      "px",
      "params",
      "GMACs",
      "step ms",
      "p95",
      "min",
      "img/s",
      "GFLOP/s",
      "of peak",
      "memory stated",
      "measured",
      "loss",
      "cold compile s",
      "run s",
    ],
    rows.map((row) => [
      row.model,
      row.mode,
      row.precision,
      row.batch,
      row.imageSize,
      scaled(row.parameters),
      short(row.gmacs),
      short(row.step.median),
      short(row.step.p95),
      short(row.step.min),
      short(row.imagesPerSecond),
      short(row.gflops),
      percent(row.shareOfPeak),
      formatBytes(row.memory.stated),
      formatBytes(row.memory.measured),
      row.loss === undefined ? "–" : row.loss === null ? "NaN" : row.loss.toFixed(4),
      short(row.cold.compile / 1e3),
      short(row.cold.run / 1e3),
    ]),
  );

const opTable = (rows: readonly OpRow[]): string =>
  table(
    ["op", "case", "shapes", "kernels", "µs", "p95", "min", "GFLOP/s", "GB/s", "bound by", "of that limit"],
    rows.map((row) => [
      row.op,
      row.case,
      Object.values(row.shapes)
        .map((shape) => shape.join("×") || "1")
        .join(" "),
      row.kernels.map((kernel) => kernel.split("/").at(-1)).join(" "),
      short(row.time.median),
      short(row.time.p95),
      short(row.time.min),
      short(row.gflops),
      short(row.gbPerSecond),
      row.bound,
      percent(row.share),
    ]),
  );

const groupTable = (groups: readonly ProfileGroup[]): string =>
  table(
    [
      "name",
      "phase",
      "ms",
      "of the step",
      "dispatches",
      "bytes",
      "FLOPs",
      "GFLOP/s",
      "GB/s",
      "bound by",
      "of that limit",
    ],
    groups.map((group) => [
      group.name || "–",
      group.phase,
      short(group.microseconds / 1e3),
      percent(group.shareOfTime),
      group.dispatches,
      formatBytes(group.bytes),
      scaled(group.flops),
      short(group.flops / group.microseconds / 1e3),
      short(group.bytes / group.microseconds / 1e3),
      group.bound,
      percent(group.share),
    ]),
  );

const changeTable = (rows: readonly BenchRow[], changes: ReadonlyMap<BenchRow, Change | undefined>): string =>
  table(
    ["row", "before", "after", "change", "p", "verdict", "what else changed"],
    rows.map((row) => {
      const change = changes.get(row);
      const unit = isOpRow(row) ? "µs" : "ms";
      if (change === undefined) return [titleOf(row), "–", "–", "–", "–", "not in the old file", "–"];
      return [
        titleOf(row),
        `${short(change.before)} ${unit}`,
        `${short(change.after)} ${unit}`,
        `${change.change < 0 ? "−" : "+"}${percent(Math.abs(change.change))}`,
        change.p < 0.0001 ? "<0.0001" : change.p.toFixed(4),
        change.verdict,
        change.circumstances.join(", ") || "–",
      ];
    }),
  );
