import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { formatBytes } from "../errors";
import { writeFileAtomic } from "../io/atomic-file";
import type { ProfileGroup } from "../profile";
import {
  type Chart,
  escapeHtml,
  figures,
  memoryChart,
  rooflineChart,
  throughputChart,
  waterfallChart,
} from "./report-charts";
import { client, style } from "./report-page";
import { type NetworkRow, titleOf } from "./rows";

/**
 * One page of HTML with everything in it, which shows rows without a network: throughput, and of every row with a profile
 * the roofline, the layers' waterfall, the memory over the step and the figures behind them.
 *
 * @example await writeFile("report.html", await benchReport([row]));
 */
export async function benchReport(rows: readonly NetworkRow[]): Promise<string> {
  const library = createRequire(import.meta.url).resolve("echarts/dist/echarts.common.min.js");
  return reportPage(rows, await readFile(library, "utf8"));
}

/** @throws InputError when the file cannot be written */
export async function writeBenchReport(file: string, rows: readonly NetworkRow[]): Promise<void> {
  await writeFileAtomic(file, new TextEncoder().encode(await benchReport(rows)));
}

/** The page, with the source of the library that draws its charts. */
export function reportPage(rows: readonly NetworkRow[], library: string): string {
  const charts: Record<string, Chart["option"]> = {};
  const figure = (id: string, caption: string, { option, height }: Chart): string => {
    charts[id] = option;
    return `<figure><figcaption>${caption}</figcaption><div class="chart" id="${id}" style="height:${height}px"></div></figure>`;
  };
  const profiled = rows.filter((row) => row.profile !== undefined);
  const sections = profiled.map((row, k) => section(row, k, figure));
  const head =
    rows.length === 0
      ? "<p>There are no rows.</p>"
      : figure("throughput", "Throughput at the median step", throughputChart(rows)) + summary(rows);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>striate bench</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>striate bench</h1>
${circumstances(rows)}
<noscript><p>The charts need scripts, which this viewer does not run; the tables have all figures.</p></noscript>
${head}
${profiled.length > 1 ? choice(profiled) : ""}
${sections.join("\n")}
</main>
<script>${library}</script>
<script type="application/json" id="charts">${JSON.stringify(charts).replaceAll("<", "\\u003c")}</script>
<script>${client}</script>
</body>
</html>
`;
}

const choice = (rows: readonly NetworkRow[]): string =>
  `<p><label>Profile of <select id="choice">${rows
    .map((row, k) => `<option value="profile-${k}">${escapeHtml(titleOf(row))}</option>`)
    .join("")}</select></label></p>`;

function section(
  row: NetworkRow,
  k: number,
  figure: (id: string, caption: string, chart: Chart) => string,
): string {
  const { profile } = row;
  if (profile === undefined) return "";
  const total = profile.entries.reduce((sum, { microseconds }) => sum + microseconds, 0) / 1e3;
  return `<section class="profile" id="profile-${k}">
<h2>${escapeHtml(titleOf(row))}</h2>
<p>${profile.entries.length} steps, ${row.dispatches} dispatches, ${figures(total)} ms by the device's clock dispatch by dispatch;
${figures(row.step.median)} ms a whole step.</p>
${figure(`roofline-${k}`, "Roofline: every layer against the adapter's measured peaks; the area of a point is its share of the time", rooflineChart(profile, row.peaks))}
${figure(`memory-${k}`, `Memory over the step: ${formatBytes(row.memory.stated)} stated before it, ${formatBytes(row.memory.measured)} measured`, memoryChart(profile.memory))}
<h3>By op</h3>
${groupTable(profile.ops)}
<div class="tall">${figure(`waterfall-${k}`, "Layers in the order in which they run", waterfallChart(profile))}</div>
<details><summary>By layer, in figures</summary>${groupTable(profile.layers)}</details>
</section>`;
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** A table; every column but the first ones named as words is of numbers. */
function table(head: readonly string[], rows: readonly (readonly string[])[], words: number): string {
  const cells = (tag: string, row: readonly string[]) =>
    row.map((cell, k) => `<${tag}${k < words ? "" : ' class="n"'}>${escapeHtml(cell)}</${tag}>`).join("");
  return `<div class="wide"><table><thead><tr>${cells("th", head)}</tr></thead><tbody>${rows
    .map((row) => `<tr>${cells("td", row)}</tr>`)
    .join("\n")}</tbody></table></div>`;
}

const summary = (rows: readonly NetworkRow[]): string =>
  table(
    [
      "model",
      "mode",
      "precision",
      "batch",
      "pixels",
      "parameters",
      "GMACs",
      "step ms",
      "p95",
      "min",
      "images/s",
      "GFLOP/s",
      "of peak",
      "memory stated",
      "measured",
      "loss",
      "cold: compile s",
      "first step s",
    ],
    rows.map((row) => [
      row.model,
      row.mode,
      row.precision,
      String(row.batch),
      String(row.imageSize),
      row.parameters.toLocaleString("en-US"),
      figures(row.gmacs),
      figures(row.step.median),
      figures(row.step.p95),
      figures(row.step.min),
      figures(row.imagesPerSecond),
      figures(row.gflops),
      percent(row.shareOfPeak),
      formatBytes(row.memory.stated),
      formatBytes(row.memory.measured),
      row.loss === undefined ? "–" : row.loss === null ? "not a number" : row.loss.toFixed(4),
      figures(row.cold.compile / 1e3),
      figures(row.cold.run / 1e3),
    ]),
    3,
  );

const groupTable = (groups: readonly ProfileGroup[]): string =>
  table(
    ["name", "phase", "bound by", "of that limit", "ms", "of the step", "dispatches", "GFLOP/s", "GB/s"],
    groups.map((group) => [
      group.name || "(no layer)",
      group.phase,
      group.bound,
      percent(group.share),
      figures(group.microseconds / 1e3),
      percent(group.shareOfTime),
      String(group.dispatches),
      figures(group.flops / group.microseconds / 1e3),
      figures(group.bytes / group.microseconds / 1e3),
    ]),
    3,
  );

function circumstances(rows: readonly NetworkRow[]): string {
  const adapters = new Map(rows.map((row) => [row.circumstances.adapter, row]));
  const lists = [...adapters.values()].map(({ circumstances: c, peaks }) => {
    const facts = {
      Adapter: `${c.adapter}${c.backend === "" ? "" : ` (${c.backend})`}`,
      Driver: c.driver,
      "Measured peaks": `${figures(peaks.gflops)} GFLOP/s multiply-add, ${figures(peaks.gbPerSecond)} GB/s copy, ${figures(peaks.launchUs)} µs a dispatch`,
      System: `${c.os}; ${c.cpu}`,
      Software: `striate ${c.striate}${c.commit === "" ? "" : ` (${c.commit})`}, webgpu ${c.webgpu}, Node ${c.node}`,
      Toggles: c.toggles.join(" "),
      Measured: c.date,
    };
    return `<dl>${Object.entries(facts)
      .filter(([, fact]) => fact !== "")
      .map(([name, fact]) => `<dt>${name}</dt><dd>${escapeHtml(fact)}</dd>`)
      .join("")}</dl>`;
  });
  return lists.join("\n");
}
