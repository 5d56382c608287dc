import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { circumstances, networkRow, opRow, profiledRow } from "./example-rows";
import { readBenchRows, writeBenchRows } from "./results-file";
import { csvOf } from "./rows";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-bench-"));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Fields of a line of CSV, quotes undone (RFC 4180). */
const fields = (line: string): string[] =>
  [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, bare]) =>
    quoted === undefined ? (bare ?? "") : quoted.replaceAll('""', '"'),
  );

describe("csvOf", () => {
  it("names its columns once and quotes what needs it", () => {
    const [head = "", line = "", ...rest] = csvOf([networkRow()]).split("\r\n");
    expect(rest).toEqual([""]);
    const row = Object.fromEntries(fields(head).map((name, k) => [name, fields(line)[k]]));
    expect(row).toMatchObject({
      model: "lenet5",
      mode: "train",
      batch_size: "8",
      img_size: "32",
      param_count: "61706",
      step_time: "5",
      step_time_min: "4",
      samples: "4",
      samples_per_sec: "1600",
      memory_stated: "1048576",
      memory_measured: "1048576",
      loss: "2.3",
      cold_compile: "200",
      cold_run: "1500",
      cpu: circumstances.cpu,
      toggles: "allow_unsafe_apis -timestamp_quantization",
    });
  });

  it("leaves a loss empty that there is not", () => {
    const { loss: _, ...infer } = networkRow({ mode: "infer" });
    const [head = "", first = "", second = ""] = csvOf([networkRow(), infer]).split("\r\n");
    const at = fields(head).indexOf("loss");
    expect([fields(first)[at], fields(second)[at]]).toEqual(["2.3", ""]);
  });

  it("has columns of its own for ops", () => {
    const [head = "", line = ""] = csvOf([opRow()]).split("\r\n");
    const row = Object.fromEntries(fields(head).map((name, k) => [name, fields(line)[k]]));
    expect(row).toMatchObject({ op: "add", shapes: "a 2x3x8 b 2x3x8", kernels: "add/vec4", time_us: "11.5" });
  });
});

describe("a results file", () => {
  it("gives back what was written", async () => {
    const file = join(folder, "rows.json");
    const rows = [profiledRow(), networkRow(), opRow()];
    await writeBenchRows(file, rows);
    expect(await readBenchRows(file)).toEqual(JSON.parse(JSON.stringify(rows)));
    const csv = join(folder, "rows.CSV");
    await writeBenchRows(csv, rows.slice(1, 2));
    expect(await readFile(csv, "utf8")).toBe(csvOf(rows.slice(1, 2)));
    await expect(writeBenchRows(join(folder, "rows.txt"), rows)).rejects.toThrow("a .csv or a .json file");
  });

  it("may be what --json printed, failures left out", async () => {
    const file = join(folder, "lines.json");
    const failure = JSON.stringify({ title: "vgg16", error: "out of memory" });
    await writeFile(file, `${JSON.stringify(networkRow())}\n${failure}\n${JSON.stringify(opRow())}\n`);
    expect(await readBenchRows(file)).toHaveLength(2);
    await writeFile(file, JSON.stringify(opRow()));
    expect(await readBenchRows(file)).toEqual([opRow()]);
  });

  const { step: _, ...stepless } = networkRow();
  it.each([
    ["model,mode\nlenet5,train\n", /it is not JSON/],
    ["{", /it is not JSON/],
    ["17", /it has no list of rows/],
    ['{"rows":{}}', /it has no list of rows/],
    ["[]", /it has no rows/],
    ['{"rows":[null]}', /row 1: model is missing/],
    [JSON.stringify([networkRow(), { ...networkRow(), batch: "8" }]), /row 2: batch is missing/],
    [JSON.stringify([stepless]), /row 1: step\.median is no time/],
    [
      JSON.stringify([networkRow({ step: { ...networkRow().step, samples: [] } })]),
      /row 1: step\.samples is no list of times/,
    ],
    [JSON.stringify([{ ...opRow(), circumstances: {} }]), /row 1: circumstances\.adapter is missing/],
  ])("refuses %s", async (text, error) => {
    const file = join(folder, "old.json");
    await writeFile(file, text);
    await expect(readBenchRows(file)).rejects.toThrow(error);
    await expect(readBenchRows(file)).rejects.toThrow(`cannot read ${file}: `);
  });
});
