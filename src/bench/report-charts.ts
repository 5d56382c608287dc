import { formatBytes } from "../errors";
import type { Peaks, ProfileGroup } from "../profile";
import type { Phase } from "../tensor";
import type { MemoryTimeline } from "./memory-timeline";
import type { NetworkRow, StepProfile } from "./rows";

/**
 * Options of ECharts as plain JSON. A text that starts with `@` stands for the page's CSS variable of that name, so that
 * one option serves a light and a dark page.
 */
export type ChartOption = Readonly<Record<string, unknown>>;

export interface Chart {
  readonly option: ChartOption;
  /** Pixels. */
  readonly height: number;
}

const phases: readonly Phase[] = ["forward", "backward", "update"];

const text = { color: "@ink", fontSize: 12 };
const quiet = { color: "@muted", fontSize: 11 };
const axis = {
  axisLabel: quiet,
  nameTextStyle: quiet,
  axisLine: { lineStyle: { color: "@line" } },
  axisTick: { lineStyle: { color: "@line" } },
  splitLine: { lineStyle: { color: "@line", opacity: 0.5 } },
  minorSplitLine: { show: false },
};
const tooltip = {
  backgroundColor: "@surface",
  borderColor: "@line",
  textStyle: text,
  confine: true,
};
const base = { animation: false, textStyle: { fontFamily: "system-ui, sans-serif", color: "@ink" } };
const legend = { top: 0, left: 0, textStyle: text, itemWidth: 14, itemHeight: 10 };

/** Three significant figures, none behind the third decimal. */
export const figures = (value: number): string => {
  if (value > 0 && value < 0.001) return "<0.001";
  if (value >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(Number(value.toPrecision(3)).toFixed(3)));
};

// Texts of tooltips are HTML, and layers' names may come from an architecture of the user's own.
export const escapeHtml = (raw: string): string => raw.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const lines = (head: string, ...rest: readonly string[]): string =>
  [`<b>${escapeHtml(head)}</b>`, ...rest.map(escapeHtml)].join("<br>");

/** Images a second of every row, a bar each. */
export function throughputChart(rows: readonly NetworkRow[]): Chart {
  const rates = rows.map(({ imagesPerSecond }) => imagesPerSecond);
  // A bar of LeNet would leave nothing to see of VGG's on one scale.
  const isWide = Math.max(...rates) > 50 * Math.min(...rates);
  const modes = (["infer", "train"] as const).filter((mode) => rows.some((row) => row.mode === mode));
  const least = Math.min(...rates);
  return {
    height: 70 + 30 * rows.length,
    option: {
      ...base,
      tooltip: { ...tooltip, trigger: "item" },
      legend: { ...legend, data: modes },
      grid: { top: 30, bottom: 40, left: 8, right: 70, containLabel: true },
      xAxis: {
        ...axis,
        type: isWide ? "log" : "value",
        name: `images per second${isWide ? " (logarithmic)" : ""}`,
        nameLocation: "middle",
        nameGap: 26,
        // A logarithmic bar starts somewhere, not at 1.
        ...(isWide
          ? {
              min: 10 ** Math.floor(Math.log10(least / 2)),
              startValue: 10 ** Math.floor(Math.log10(least / 2)),
            }
          : {}),
      },
      yAxis: {
        ...axis,
        type: "category",
        inverse: true,
        data: rows.map(({ model, batch, imageSize }) => `${model}  ${batch} × ${imageSize} px`),
        axisLabel: text,
        axisTick: { show: false },
      },
      series: modes.map((mode) => ({
        type: "bar",
        name: mode,
        barWidth: 16,
        barGap: "-100%", // a row has but one bar

        itemStyle: { color: mode === "infer" ? "@forward" : "@backward", borderRadius: [0, 2, 2, 0] },
        label: { show: true, position: "right", color: "@ink", fontSize: 12 },
        data: rows.flatMap((row, k) =>
          row.mode !== mode
            ? []
            : [
                {
                  value: [row.imagesPerSecond, k],
                  label: { formatter: figures(row.imagesPerSecond) },
                  tooltip: { formatter: rowTip(row) },
                },
              ],
        ),
      })),
    },
  };
}

/** Images a second at the third and at the first quartile of the step's time. */
const ratesOf = ({ batch, step }: NetworkRow): readonly [number, number] => [
  (1000 * batch) / step.high,
  (1000 * batch) / step.low,
];

function rowTip(row: NetworkRow): string {
  const [low, high] = ratesOf(row);
  return lines(
    `${row.model} ${row.mode}, batch ${row.batch}, ${row.imageSize} px`,
    `${figures(row.imagesPerSecond)} images/s; middle half of the samples ${figures(low)} to ${figures(high)}`,
    `step ${figures(row.step.median)} ms, p95 ${figures(row.step.p95)}, least ${figures(row.step.min)}`,
    `${figures(row.gflops)} GFLOP/s, ${figures(100 * row.shareOfPeak)}% of the peak`,
    `memory ${formatBytes(row.memory.measured)}`,
  );
}

/** Arithmetic intensity against achieved rate, a point a layer and phase, under the adapter's roof. */
export function rooflineChart({ layers }: StepProfile, peaks: Peaks): Chart {
  const points = layers.filter(
    ({ flops, bytes, microseconds }) => flops > 0 && bytes > 0 && microseconds > 0,
  );
  const x = (group: ProfileGroup) => group.flops / group.bytes;
  const y = (group: ProfileGroup) => group.flops / group.microseconds / 1e3;
  const ridge = peaks.gflops / peaks.gbPerSecond;
  const left = 10 ** Math.floor(Math.log10(Math.min(ridge / 2, ...points.map(x))));
  const right = 10 ** Math.ceil(Math.log10(Math.max(ridge * 2, ...points.map(x))));
  const bottom = 10 ** Math.floor(Math.log10(Math.min(peaks.gflops / 10, ...points.map(y))));
  const top = 10 ** Math.ceil(Math.log10(Math.max(1.5 * peaks.gflops, ...points.map(y))));
  const logarithmic = { ...axis, type: "log", nameLocation: "middle" };
  return {
    height: 420,
    option: {
      ...base,
      tooltip: { ...tooltip, trigger: "item" },
      legend: { ...legend, data: [...phases.filter((p) => points.some(({ phase }) => phase === p)), "roof"] },
      grid: { top: 34, bottom: 46, left: 56, right: 20 },
      xAxis: { ...logarithmic, name: "FLOP per byte that must move", nameGap: 28, min: left, max: right },
      yAxis: { ...logarithmic, name: "GFLOP/s", nameGap: 42, min: bottom, max: top },
      series: [
        {
          type: "line",
          name: "roof",
          symbol: "none",
          silent: true,
          lineStyle: { color: "@ink", width: 1.5 },
          itemStyle: { color: "@ink" },
          data: [
            // The slanted part enters the picture at its left or at its lower edge.
            [Math.max(left, bottom / peaks.gbPerSecond), Math.max(left * peaks.gbPerSecond, bottom)],
            [ridge, peaks.gflops],
            [right, peaks.gflops],
          ],
        },
        ...phases.map((phase) => ({
          type: "scatter",
          name: phase,
          itemStyle: { color: `@${phase}`, opacity: 0.75, borderColor: "@surface", borderWidth: 1 },
          data: points
            .filter((group) => group.phase === phase)
            .map((group) => ({
              value: [x(group), y(group)],
              // The area tells the share of the time.
              symbolSize: Math.max(6, Math.min(48, 110 * Math.sqrt(group.shareOfTime))),
              tooltip: { formatter: groupTip(group) },
            })),
        })),
      ],
    },
  };
}

const groupTip = (group: ProfileGroup): string =>
  lines(
    `${group.name || "(no layer)"}, ${group.phase}`,
    `${figures(group.microseconds / 1e3)} ms, ${figures(100 * group.shareOfTime)}% of the step`,
    `${figures(group.flops / group.microseconds / 1e3)} GFLOP/s, ${figures(group.bytes / group.microseconds / 1e3)} GB/s`,
    `bound by ${group.bound}, at ${figures(100 * group.share)}% of that limit`,
  );

/** Layer under layer in the order in which they run, each bar where the one above it ends. */
export function waterfallChart({ layers }: StepProfile): Chart {
  let at = 0;
  const bars = layers.map((group) => {
    const start = at;
    at += group.microseconds / 1e3;
    return { group, start };
  });
  const shown = phases.filter((p) => layers.some(({ phase }) => phase === p));
  return {
    height: 90 + 17 * bars.length,
    option: {
      ...base,
      tooltip: { ...tooltip, trigger: "item" },
      legend: { ...legend, data: shown },
      grid: { top: 66, bottom: 10, left: 8, right: 24, containLabel: true },
      xAxis: {
        ...axis,
        type: "value",
        position: "top",
        name: "milliseconds",
        nameLocation: "middle",
        nameGap: 22,
        max: at,
        axisLabel: { ...quiet, showMaxLabel: false },
      },
      yAxis: {
        ...axis,
        type: "category",
        inverse: true,
        data: bars.map(({ group }) => group.name || "(no layer)"),
        axisLabel: { ...quiet, interval: 0, width: 230, overflow: "truncate" },
        axisTick: { show: false },
      },
      series: [
        {
          type: "bar",
          name: "before",
          stack: "time",
          silent: true,
          itemStyle: { color: "transparent" },
          data: bars.map(({ start }) => start),
        },
        ...shown.map((phase) => ({
          type: "bar",
          name: phase,
          stack: "time",
          barWidth: 11,
          barMinHeight: 1,
          itemStyle: { color: `@${phase}` },
          data: bars.map(({ group }) =>
            group.phase === phase
              ? { value: group.microseconds / 1e3, tooltip: { formatter: groupTip(group) } }
              : null,
          ),
        })),
      ],
    },
  };
}

const mebibytes = (bytes: number): number => Number((bytes / 2 ** 20).toFixed(3));

/** What is held at each step of the plan, by purpose, under what is allocated for the whole of it. */
export function memoryChart({ bytes, steps }: MemoryTimeline): Chart {
  const held = [
    { name: "parameters", size: bytes.parameters, color: "@forward" },
    { name: "optimizer and statistics", size: bytes.slots + bytes.statistics, color: "@update" },
    { name: "inputs and other", size: bytes.inputs + bytes.constants + bytes.overhead, color: "@muted" },
  ].filter(({ size }) => size > 0);
  const area = (name: string, color: string, data: readonly number[]) => ({
    type: "line",
    name,
    stack: "held",
    step: "end",
    symbol: "none",
    lineStyle: { width: 0 },
    areaStyle: { color, opacity: 0.75 },
    itemStyle: { color },
    data,
  });
  return {
    height: 320,
    option: {
      ...base,
      tooltip: { ...tooltip, trigger: "axis" },
      legend: { ...legend, type: "scroll" },
      grid: { top: 34, bottom: 34, left: 62, right: 20 },
      xAxis: {
        ...axis,
        type: "category",
        boundaryGap: false,
        name: "steps of the plan, in order",
        nameLocation: "middle",
        nameGap: 12,
        data: steps.map(({ layer, phase, op }, k) => escapeHtml(`${k + 1}: ${layer} ${op} (${phase})`)),
        axisLabel: { show: false },
        axisTick: { show: false },
      },
      yAxis: { ...axis, type: "value", name: "MiB", nameLocation: "middle", nameGap: 46 },
      series: [
        ...held.map(({ name, size, color }) =>
          area(
            name,
            color,
            steps.map(() => mebibytes(size)),
          ),
        ),
        area(
          "activations and gradients in use",
          "@backward",
          steps.map(({ live }) => mebibytes(live)),
        ),
        {
          type: "line",
          name: "allocated",
          symbol: "none",
          lineStyle: { color: "@ink", width: 1.5, type: "dashed" },
          itemStyle: { color: "@ink" },
          data: steps.map(() => mebibytes(bytes.total)),
        },
      ],
    },
  };
}
