import { describe, expect, it } from "vitest";
import { networkRow, peaks, profiledRow } from "./example-rows";
import { benchReport, reportPage } from "./report";
import { memoryChart, rooflineChart, throughputChart, waterfallChart } from "./report-charts";

/** The data of the series of that name. */
function dataOf(option: Readonly<Record<string, unknown>>, name: string): unknown[] {
  const series = option.series as { name: string; data: unknown[] }[];
  const found = series.find((s) => s.name === name);
  if (found === undefined) throw new Error(`no series ${name} among ${series.map((s) => s.name).join()}`);
  return found.data;
}
const valueIn = (datum: unknown): unknown => (datum as { value: unknown }).value;

const row = profiledRow();
const { profile } = row;
if (profile === undefined) throw new Error("no profile");

describe("the report's charts", () => {
  it("have a bar for every row, in the rows' order", () => {
    const rows = [networkRow(), networkRow({ model: "vgg16", mode: "infer", imagesPerSecond: 900 })];
    const { option } = throughputChart(rows);
    expect(dataOf(option, "train").map(valueIn)).toEqual([[1600, 0]]);
    expect(dataOf(option, "infer").map(valueIn)).toEqual([[900, 1]]);
    expect((option.xAxis as { type: string }).type).toBe("value");
    const wide = throughputChart([networkRow(), networkRow({ imagesPerSecond: 3 })]).option;
    expect((wide.xAxis as { type: string }).type).toBe("log");
  });

  it("have a point for every layer and phase with arithmetic, under the roof", () => {
    const { option } = rooflineChart(profile, peaks);
    const points = (["forward", "backward", "update"] as const).flatMap((phase) =>
      dataOf(option, phase).map(valueIn),
    ) as [number, number][];
    expect(points).toHaveLength(profile.layers.filter(({ flops }) => flops > 0).length);
    const roof = dataOf(option, "roof") as [number, number][];
    expect(roof[1]).toEqual([peaks.gflops / peaks.gbPerSecond, peaks.gflops]);
    for (const [intensity, rate] of points)
      expect(rate).toBeLessThan(Math.min(peaks.gflops, intensity * peaks.gbPerSecond));
  });

  it("have a bar for every layer and phase, each from the end of the one before it", () => {
    const { option } = waterfallChart(profile);
    const starts = dataOf(option, "before") as number[];
    const lengths = profile.layers.map(({ microseconds }) => microseconds / 1e3);
    expect(starts).toHaveLength(lengths.length);
    for (let k = 1; k < starts.length; k++)
      expect(starts[k]).toBeCloseTo((starts[k - 1] ?? 0) + (lengths[k - 1] ?? 0), 9);
    const names = (option.yAxis as { data: string[] }).data;
    expect(names.slice(0, 3)).toEqual(profile.layers.slice(0, 3).map(({ name }) => name));
  });

  it("show memory in use below what is allocated, at every step", () => {
    const { option } = memoryChart(profile.memory);
    const series = option.series as { name: string; data: number[] }[];
    const allocated = dataOf(option, "allocated") as number[];
    expect(allocated).toHaveLength(profile.memory.steps.length);
    for (let k = 0; k < allocated.length; k++) {
      const used = series.filter((s) => s.name !== "allocated").reduce((sum, s) => sum + (s.data[k] ?? 0), 0);
      expect(used).toBeLessThanOrEqual((allocated[k] ?? 0) + 0.01);
      expect(used).toBeGreaterThan(0);
    }
  });
});

describe("the report", () => {
  it("is one page that asks nobody for anything", async () => {
    const page = await benchReport([row, networkRow({ mode: "infer" })]);
    expect(page).toContain("default-src 'none'");
    const outside = page.replace(/<script>[\s\S]*?<\/script>/g, "");
    expect(outside).not.toMatch(/\b(?:src|href)=|@import|url\(/);
    expect(page).toContain("echarts");
    for (const id of ["throughput", "roofline-0", "waterfall-0", "memory-0"])
      expect(page).toContain(`id="${id}"`);
    expect(page).toContain("61,706");
    expect(page).toContain("prefers-color-scheme: dark");
  });

  it("lets one choose among several profiles", () => {
    expect(reportPage([row], "")).not.toContain("<select");
    expect(reportPage([row, row], "").match(/<option /g)).toHaveLength(2);
  });

  it("shows names as they are, whatever is in them", () => {
    const name = "</script><b>x</b>";
    const entry = profile.layers[0];
    if (entry === undefined) throw new Error("no layer");
    const hostile = networkRow({ model: name, profile: { ...profile, layers: [{ ...entry, name }] } });
    const page = reportPage([hostile], "");
    expect(page).not.toContain("<b>x</b>");
    const json = /<script type="application\/json" id="charts">([\s\S]*?)<\/script>/.exec(page)?.[1] ?? "";
    expect(Object.keys(JSON.parse(json) as object)).toContain("waterfall-0");
  });
});
