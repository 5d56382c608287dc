import { beforeAll, expect, test } from "vitest";
import { benchCases } from "../../kernels-test/bench-cases";
import { specs } from "../../kernels-test/specs";
import { lenet5 } from "../models/lenet5";
import { type Bench, openBench } from "./bench";
import { benchNetwork } from "./network";
import type { NetworkRow, OpRow } from "./rows";
import { type BenchEvent, benchNetworks, benchOps } from "./run";

const adapter = process.env.STRIATE_DEVICE;
let bench: Bench;
beforeAll(async () => {
  bench = await openBench(adapter);
  console.log(bench.circumstances.adapter, bench.peaks);
});

async function all<Row>(events: AsyncGenerator<BenchEvent<Row>>): Promise<BenchEvent<Row>[]> {
  const found: BenchEvent<Row>[] = [];
  for await (const event of events) found.push(event);
  return found;
}

test("a training row: what it says about LeNet-5 agrees with itself and with the plan", async () => {
  const batch = 4;
  const row = await benchNetwork(lenet5(), bench, {
    mode: "train",
    batch,
    warm: 2,
    samples: 5,
    profile: true,
  });
  expect(row).toMatchObject({ model: "lenet5", mode: "train", batch, imageSize: 32, parameters: 61706 });
  expect(row.step.samples).toHaveLength(5);
  expect(row.imagesPerSecond).toBeCloseTo((1000 * batch) / row.step.median, 6);
  // Forward, gradient of weights and, but for the first layer, of inputs: about three times two FLOP a multiply-add.
  const flops = row.gflops * row.step.median * 1e6;
  expect(flops / (2e9 * row.gmacs * batch)).toBeGreaterThan(2);
  expect(flops / (2e9 * row.gmacs * batch)).toBeLessThan(5);
  expect(row.shareOfPeak).toBeCloseTo(row.gflops / bench.peaks.gflops, 9);
  expect(Math.abs(row.memory.measured / row.memory.stated - 1)).toBeLessThan(0.01);
  // Random labels of ten classes: the loss stays about log 10.
  expect(row.loss).toBeGreaterThan(1);
  expect(row.loss).toBeLessThan(4);
  expect(row.cold.compile).toBeGreaterThan(0);
  expect(row.cold.run).toBeGreaterThan(0);
  expect(row.pipelines).toBeGreaterThan(5);
  expect(row.circumstances).toMatchObject({
    node: process.versions.node,
    backend: expect.stringMatching(/./),
  });
  expect(row.circumstances.webgpu).toMatch(/^\d+\.\d+\.\d+/);
  const profile = row.profile;
  expect(profile?.entries).toHaveLength(profile?.memory.steps.length ?? 0);
  expect(new Set(profile?.layers.map(({ phase }) => phase))).toEqual(
    new Set(["forward", "backward", "update"]),
  );
  expect(
    profile?.ops.find(({ name, phase }) => name === "conv2d" && phase === "forward")?.microseconds,
  ).toBeGreaterThan(0);
});

test("a row that does not fit leaves the others alone", async () => {
  const events = await all(
    benchNetworks([lenet5()], {
      modes: ["infer"],
      batches: [1_000_000_000, 2],
      warm: 1,
      samples: 2,
      adapters: [adapter],
    }),
  );
  expect(events.map(({ kind }) => kind)).toEqual(["adapter", "start", "failure", "start", "row"]);
  const failure = events.find((event) => event.kind === "failure");
  expect(failure?.error.message).toMatch(/memory|binding|buffer|limit/i);
  const row: NetworkRow | undefined = events.flatMap((event) => (event.kind === "row" ? [event.row] : []))[0];
  expect(row).toMatchObject({ mode: "infer", batch: 2 });
  expect(row).not.toHaveProperty("loss");
});

test("single ops are timed by the device's clock against the limit that binds them", async () => {
  const cases = benchCases(specs, /^(add|sgdUpdate)$/);
  const events = await all(benchOps(cases, { samples: 5, adapters: [adapter] }));
  const rows: OpRow[] = events.flatMap((event) => (event.kind === "row" ? [event.row] : []));
  expect(rows.map(({ op }) => op)).toEqual(["add", "sgdUpdate"]);
  for (const row of rows) {
    expect(row.time.samples).toHaveLength(5);
    expect(row.time.min).toBeGreaterThan(0);
    expect(row.kernels).toEqual([`${row.op}/vec4`]);
    expect(row.gbPerSecond).toBeCloseTo(row.bytes / row.time.median / 1e3, 6);
    expect(row.share).toBeGreaterThan(0);
  }
  // Reads two volumes and writes one.
  expect(rows[0]?.bytes).toBe(3 * 4 * 4 * 56 * 56 * 64);
});
