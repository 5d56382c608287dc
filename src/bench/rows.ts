import type { Peaks, ProfileEntry, ProfileGroup, Verdict } from "../profile";
import type { Circumstances } from "./circumstances";
import type { MemoryTimeline } from "./memory-timeline";
import type { Spread } from "./statistics";

export type BenchMode = "infer" | "train";
/** Element types that networks are compiled for. */
export const precisions = ["float32"] as const;
export type Precision = (typeof precisions)[number];

/** Where the time of a step goes. */
export interface StepProfile {
  /** Dispatch by dispatch, in the order in which they run. */
  readonly entries: readonly ProfileEntry[];
  readonly layers: readonly ProfileGroup[];
  readonly ops: readonly ProfileGroup[];
  readonly memory: MemoryTimeline;
}

/** One network in one mode at one batch and image size. */
export interface NetworkRow {
  readonly model: string;
  readonly mode: BenchMode;
  readonly precision: Precision;
  readonly batch: number;
  /** Height of the images in pixels; they are as wide, unless an architecture of one's own is not. */
  readonly imageSize: number;
  /** Trainable numbers. */
  readonly parameters: number;
  /** 10⁹ multiply-adds of one image's forward pass, as torchvision counts. */
  readonly gmacs: number;
  /** Milliseconds of a step. */
  readonly step: Spread;
  readonly stepsPerSample: number;
  /** At the median. */
  readonly imagesPerSecond: number;
  /** 10⁹ additions and multiplications a second at the median, counted from the ops' definitions, whatever kernels do. */
  readonly gflops: number;
  /** `gflops` over the adapter's peak. */
  readonly shareOfPeak: number;
  /** Bytes on the device: as the plan states before the first step, and the most that were live at a time. */
  readonly memory: { readonly stated: number; readonly measured: number };
  /** Of the last training step; null for one that is not a number any more. */
  readonly loss?: number | null;
  /** Milliseconds until the first step was finished: plan, pipelines, memory and initial values; then the step itself. */
  readonly cold: { readonly compile: number; readonly run: number };
  readonly pipelines: number;
  readonly dispatches: number;
  /** Shapes for which measuring chose the kernel, where it was asked to. */
  readonly tuned?: number;
  readonly peaks: Peaks;
  readonly circumstances: Circumstances;
  readonly profile?: StepProfile;
}

/** One op at one size. */
export interface OpRow extends Verdict {
  readonly op: string;
  /** What it is at this size, in words. */
  readonly case: string;
  /** Shapes of its inputs. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** Kernels that it ran, in order. */
  readonly kernels: readonly string[];
  /** Microseconds on the device. */
  readonly time: Spread;
  readonly flops: number;
  /** That it must at least move. */
  readonly bytes: number;
  readonly gflops: number;
  readonly gbPerSecond: number;
  readonly peaks: Peaks;
  readonly circumstances: Circumstances;
}

export type BenchRow = NetworkRow | OpRow;

export const isOpRow = (row: BenchRow): row is OpRow => "op" in row;

/** What a row is about, in words: `resnet50 train float32, batch 8, 224 px`. */
export const titleOf = (row: BenchRow): string =>
  isOpRow(row)
    ? `${row.op}: ${row.case}`
    : `${row.model} ${row.mode} ${row.precision}, batch ${row.batch}, ${row.imageSize} px`;

/** Rows of equal keys measure the same work on the same adapter. */
export const keyOfRow = (row: BenchRow): string => `${titleOf(row)} on ${row.circumstances.adapter}`;

type Cell = string | number | undefined;

const circumstanceCells = ({ circumstances: c, peaks }: BenchRow): Record<string, Cell> => ({
  peak_gflops: peaks.gflops,
  peak_gb_per_s: peaks.gbPerSecond,
  launch_us: peaks.launchUs,
  adapter: c.adapter,
  driver: c.driver,
  backend: c.backend,
  os: c.os,
  cpu: c.cpu,
  node: c.node,
  webgpu: c.webgpu,
  striate: c.striate,
  commit: c.commit,
  toggles: c.toggles.join(" "),
  date: c.date,
});

/** A row without its samples and its profile, under names like those of timm's `benchmark.py`. */
export function cellsOf(row: BenchRow): Readonly<Record<string, Cell>> {
  if (isOpRow(row)) {
    const { time } = row;
    return {
      op: row.op,
      case: row.case,
      shapes: Object.entries(row.shapes)
        .map(([name, shape]) => `${name} ${shape.join("x")}`)
        .join(" "),
      kernels: row.kernels.join(" "),
      time_us: time.median,
      time_us_p95: time.p95,
      time_us_min: time.min,
      gflops: row.gflops,
      gb_per_s: row.gbPerSecond,
      bound: row.bound,
      share_of_limit: row.share,
      ...circumstanceCells(row),
    };
  }
  const { step, memory, cold } = row;
  return {
    model: row.model,
    mode: row.mode,
    precision: row.precision,
    batch_size: row.batch,
    img_size: row.imageSize,
    param_count: row.parameters,
    gmacs: row.gmacs,
    step_time: step.median,
    step_time_p95: step.p95,
    step_time_min: step.min,
    samples: step.samples.length,
    steps_per_sample: row.stepsPerSample,
    samples_per_sec: row.imagesPerSecond,
    gflops: row.gflops,
    share_of_peak: row.shareOfPeak,
    memory_stated: memory.stated,
    memory_measured: memory.measured,
    loss: row.loss ?? undefined,
    cold_compile: cold.compile,
    cold_run: cold.run,
    pipelines: row.pipelines,
    dispatches: row.dispatches,
    tuned: row.tuned,
    ...circumstanceCells(row),
  };
}

/** Rows as comma-separated values (RFC 4180): a line of names, then a line a row. */
export function csvOf(rows: readonly BenchRow[]): string {
  const cells = rows.map(cellsOf);
  const names = [...new Set(cells.flatMap((row) => Object.keys(row)))];
  const quote = (cell: Cell): string => {
    const text = String(cell ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...cells.map((row) => names.map((name) => row[name]))]
    .map((line) => `${line.map(quote).join(",")}\r\n`)
    .join("");
}
