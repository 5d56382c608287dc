import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../device";
import { compileGraph } from "../executor";
import { cover, kernel } from "../kernel";
import { defineOp } from "../op";
import { relu } from "../ops/activations";
import { conv2d } from "../ops/conv2d";
import { matmul } from "../ops/matmul";
import type { GraphSpec } from "../plan";
import { input } from "../tensor";
import { type TunedShape, tuneGraphs } from "./tune";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  console.log(`adapter: ${device.adapter.name}`);
});
afterAll(() => device?.close());

const x = input("x", [1, 6, 6, 8]);
const w = input("w", [8, 1, 1, 8]);
const twice = (): GraphSpec => {
  const y = relu({ x: conv2d({ x, w }).y }).y;
  return { outputs: { z: relu({ x: conv2d({ x: y, w }).y }).y } };
};

test("each distinct shape is measured once, every candidate, and its winner is what compiling takes", async () => {
  const shapes: TunedShape[] = [];
  const progress: string[] = [];
  const tuning = await tuneGraphs([twice()], {
    device,
    budget: 10,
    onProgress: (done, of) => progress.push(`${done}/${of}`),
    onShape: (shape) => void shapes.push(shape),
  });
  expect(progress[0]).toBe("0/1");
  const [shape] = shapes;
  expect(shape?.key).toMatch(/^conv2d\(x f32\[1, 6, 6, 8\], w f32\[8, 1, 1, 8\], .*\) \+ relu\(x\)$/);
  expect(shape?.count).toBe(2);
  expect([...(shape?.times.keys() ?? [])].sort()).toEqual([...(shape?.candidates ?? [])].sort());
  expect(shape?.candidates.length).toBeGreaterThan(1);
  for (const times of shape?.times.values() ?? []) for (const time of times) expect(time).toBeGreaterThan(0);
  expect(shape?.candidates).toContain(shape?.winner);

  const values = (count: number) => Float32Array.from({ length: count }, (_, k) => Math.sin(k));
  const run = async (own: typeof tuning | undefined) => {
    const graph = await compileGraph(twice(), { device, tuning: own });
    const { z } = await graph.run({ x: values(288), w: values(64) });
    const origins = graph.plan.steps.map(({ origin }) => origin);
    graph.close();
    return { z: Array.from(z ?? []), origins };
  };
  const [tuned, again, plain] = [await run(tuning), await run(tuning), await run(undefined)];
  expect(tuned.origins.every((origin) => origin === "tuned")).toBe(true);
  expect(again.z).toEqual(tuned.z);
  expect(plain.origins.every((origin) => origin === "heuristic")).toBe(true);
  tuned.z.forEach((value, k) => {
    expect(value).toBeCloseTo(plain.z[k] ?? Number.NaN, 4);
  });

  let more = 0;
  await tuneGraphs([twice()], { device, known: tuning, onShape: () => void more++ });
  expect(more).toBe(0);
});

test("tuning can be stopped between two shapes", async () => {
  const spec = { outputs: { z: matmul({ a: input("a", [8, 8]), b: input("b", [8, 8]) }).y } };
  expect((await tuneGraphs([spec], { device, isStopping: () => true })).size).toBe(0);
});

const doubled = (name: string, factor: string) =>
  kernel<"SIZE">({
    name,
    workgroup: [64, 1, 1],
    groups: ({ SIZE }) => [cover(SIZE, 64), 1, 1],
    body: () => `fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x < SIZE) { store_y(global.x, 0u, ${factor} * x[global.x]); }
}`,
  });
const twofold = defineOp({
  name: "twofold",
  inputs: { x: "..." },
  outputs: { y: "..." },
  kernels: [doubled("refused", "nothing"), doubled("good", "2.0"), doubled("other", "1.0 + 1.0")],
});

test.each([true, false])("a kernel that the adapter refuses is left out (timestamps: %s)", async (stamps) => {
  const own = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  try {
    if (!stamps) (own.features as Set<string>).delete("timestamp-query");
    const shapes: TunedShape[] = [];
    await tuneGraphs([{ outputs: twofold({ x: input("x", [512]) }) }], {
      device: own,
      budget: 1,
      onShape: (shape) => void shapes.push(shape),
    });
    const [shape] = shapes;
    expect(shape?.failed.get("refused")).toMatch(/^kernel twofold\/refused does not compile/);
    expect([...(shape?.times.keys() ?? [])]).toEqual(["good", "other"]);
    expect(shape?.winner).not.toBe("refused");
    own.check();
  } finally {
    own.close();
  }
});
