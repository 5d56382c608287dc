import { expect, test } from "vitest";
import { gradients } from "../src/autodiff";
import { openDevice } from "../src/device";
import { compileGraph } from "../src/executor";
import { add } from "../src/ops/add";
import { conv2d } from "../src/ops/conv2d";
import { matmulNT } from "../src/ops/matmul";
import type { PlanLimits } from "../src/plan";
import { input, type Shape, sizeOf, type Tensor, variable } from "../src/tensor";

const wave = (n: number, by: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * by));
const waves = (by: number) => (shape: Shape) => wave(sizeOf(shape), by);

/** A linear layer, a convolution and an elementwise op with their gradients, under the given limits. */
async function run(limits: Partial<PlanLimits>) {
  const device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  try {
    const x = input("x", [8, 64]);
    const w = variable("w", [192, 64], waves(0.7));
    const image = input("image", [10, 6, 8, 8]);
    const kernels = variable("kernels", [4, 3, 3, 8], waves(0.3));
    const y = matmulNT({ a: x, b: w }).y;
    const z = conv2d({ x: add({ a: image, b: image }).y, w: kernels, pad: 1 }).y;
    const [gx, gw] = gradients(y, [x, w], y);
    const [gi, gk] = gradients(z, [image, kernels], z);
    const outputs = { y, z, gx, gw, gi, gk } as Record<string, Tensor>;
    const graph = await compileGraph({ outputs }, { device, limits });
    const results = await graph.run({ x: wave(512, 1.1), image: wave(3840, 0.13) });
    const windows = Math.max(...graph.plan.steps.map(({ dispatches }) => dispatches.length));
    return {
      results,
      windows,
      buffers: graph.plan.memory.buffers,
      live: device.liveBytes,
      stated: graph.plan.bytes.total,
    };
  } finally {
    device.close();
  }
}

test("tensors past the binding limit and past the largest buffer give the same results, window by window", async () => {
  const whole = await run({});
  const windowed = await run({ maxStorageBufferBindingSize: 8192 });
  const cut = await run({ maxStorageBufferBindingSize: 8192, maxBufferSize: 16_384 });
  expect(whole.windows).toBe(1);
  expect(windowed.windows).toBeGreaterThan(2);
  expect(Math.max(...cut.buffers)).toBeLessThanOrEqual(16_384);
  for (const { results, live, stated } of [windowed, cut]) {
    expect(live).toBe(stated);
    for (const [name, expected] of Object.entries(whole.results)) {
      const scale = Math.max(...Array.from(expected, Math.abs));
      const worst = Math.max(
        ...Array.from(expected, (v, i) => Math.abs(v - (results[name]?.[i] ?? Number.NaN))),
      );
      expect(worst, name).toBeLessThanOrEqual(1e-5 * scale);
    }
  }
});
