import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "../device";
import { mobilenetV1 } from "../models/mobilenet-v1";
import { relu, tanh } from "../nn/activations";
import { sequential } from "../nn/combinators";
import { compile } from "../nn/compile";
import { conv, flatten, globalAvgPool, linear } from "../nn/layers";
import { crossEntropy } from "../nn/losses";
import { defineModel } from "../nn/model";
import { adam } from "../nn/optimizers";
import { uniforms } from "../random";
import type { State } from "../state";
import { compileCam } from "./cam";
import { compileGradCam } from "./grad-cam";
import { peakOf } from "./heat-map";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

/** Odd sizes, a layer in the middle, and behind it a ReLU and a linear layer that sees every place by itself. */
const tiny = defineModel({
  name: "tiny",
  input: [6, 5, 2],
  classes: 4,
  forward: ({ classes }) =>
    sequential({
      conv1: conv(3, 3, { pad: 1 }),
      tanh: tanh(),
      conv2: conv(4, 2),
      relu: relu(),
      flatten: flatten(),
      fc: linear(classes),
    }),
});

/** Cross-correlation of [H, W, C] with weights [K, R, S, C] in f64, as the layers have it. */
function convolve(
  x: Float64Array,
  [H, W, C]: number[],
  w: Float32Array,
  b: Float32Array,
  R: number,
  pad = 0,
) {
  const [h = 0, wide = 0, c = 0] = [H, W, C];
  const [P, Q, K] = [h + 2 * pad - R + 1, wide + 2 * pad - R + 1, b.length];
  const y = new Float64Array(P * Q * K);
  for (let p = 0; p < P; p++)
    for (let q = 0; q < Q; q++)
      for (let k = 0; k < K; k++) {
        let sum = b[k] ?? 0;
        for (let r = 0; r < R; r++)
          for (let s = 0; s < R; s++) {
            const [i, j] = [p + r - pad, q + s - pad];
            if (i < 0 || j < 0 || i >= h || j >= wide) continue;
            for (let ch = 0; ch < c; ch++)
              sum += (x[(i * wide + j) * c + ch] ?? 0) * (w[((k * R + r) * R + s) * c + ch] ?? 0);
          }
        y[(p * Q + q) * K + k] = sum;
      }
  return y;
}

/** What follows the features of `tanh`, for one image and one class. */
async function scoreBehind(state: State) {
  const [w2, b2, wf, bf] = [
    await state.read("conv2.weight"),
    await state.read("conv2.bias"),
    await state.read("fc.weight"),
    await state.read("fc.bias"),
  ];
  return (features: Float64Array, k: number) => {
    const y = convolve(features, [6, 5, 3], w2, b2, 2);
    return y.reduce((sum, v, i) => sum + Math.max(0, v) * (wf[k * y.length + i] ?? 0), bf[k] ?? 0);
  };
}

test("Grad-CAM equals its definition in f64, derivatives by differences", async () => {
  using network = await compile(tiny(), { device, batch: 2, seed: 3 });
  using gradCam = await compileGradCam(tiny(), { device, state: network.state, batch: 2, layer: "tanh" });
  expect([gradCam.layer, gradCam.size]).toEqual(["tanh", [6, 5, 3]]);
  const image = uniforms(5, 1, 2 * 60).map((v) => 2 * v - 1);
  const { maps, classes, logits } = await gradCam.run({ image }, [1, 3]);
  expect(classes).toEqual([1, 3]);

  const { state } = network;
  const score = await scoreBehind(state);
  const [w1, b1] = [await state.read("conv1.weight"), await state.read("conv1.bias")];
  for (const [n, k] of [
    [0, 1],
    [1, 3],
  ] as const) {
    const own = Float64Array.from(image.subarray(n * 60, (n + 1) * 60));
    const features = convolve(own, [6, 5, 2], w1, b1, 3, 1).map(Math.tanh);
    expect(logits[n * 4 + k]).toBeCloseTo(score(features, k), 5);
    const alpha = [0, 0, 0];
    const h = 1e-6;
    for (let i = 0; i < features.length; i++) {
      const moved = (by: number) => score(features.with(i, (features[i] ?? 0) + by), k);
      const c = i % 3;
      alpha[c] = (alpha[c] ?? 0) + (moved(h) - moved(-h)) / (2 * h) / 30;
    }
    const expected = Array.from({ length: 30 }, (_, place) =>
      Math.max(
        0,
        alpha.reduce((sum, a, c) => sum + a * (features[place * 3 + c] ?? 0), 0),
      ),
    );
    const highest = Math.max(...expected);
    expect(highest).toBeGreaterThan(1e-3);
    const found = [...(maps[n]?.values ?? [])];
    expect(found).toHaveLength(30);
    for (const [place, value] of found.entries())
      expect(Math.abs(value - (expected[place] ?? 0))).toBeLessThan(1e-4 * highest);
  }
});

test("classes that are not given are the most probable ones; those that are not there are refused", async () => {
  using network = await compile(tiny(), { device, batch: 1, seed: 8 });
  using gradCam = await compileGradCam(tiny(), { device, state: network.state });
  expect(gradCam.layer).toBe("relu");
  const image = uniforms(6, 1, 60);
  const { classes, probabilities, maps } = await gradCam.run({ image });
  const best = classes[0] ?? -1;
  expect(probabilities[best]).toBe(Math.max(...probabilities));
  expect(maps).toEqual((await gradCam.run({ image }, [best])).maps);
  await expect(gradCam.run({ image }, [4])).rejects.toThrow(
    "tiny: class is 4, expected a whole number from 0 to 3",
  );
  await expect(gradCam.run({ image }, [1, 2])).rejects.toThrow("2 classes are given for 1 images");
});

test("before a global average pool Grad-CAM is the positive part of CAM over H·W (Selvaraju et al., section 3)", async () => {
  const model = mobilenetV1({ classes: 10, imageSize: 96, width: 0.25 });
  using network = await compile(model, { device, batch: 1, seed: 2 });
  using cam = await compileCam(model, { device, state: network.state });
  using gradCam = await compileGradCam(model, { device, state: network.state });
  expect([cam.layer, cam.size]).toEqual([gradCam.layer, [3, 3, 256]]);
  const image = uniforms(7, 1, 96 * 96 * 3).map((v) => 4 * v - 2);
  const { maps, classes } = await cam.run({ image });
  const [a] = maps;
  const [b] = (await gradCam.run({ image }, classes)).maps;
  const expected = Array.from(a?.values ?? [], (v) => Math.max(0, v) / 9);
  const highest = Math.max(...expected);
  expect(highest).toBeGreaterThan(0);
  for (const [k, value] of [...(b?.values ?? [])].entries())
    expect(Math.abs(value - (expected[k] ?? 0))).toBeLessThan(1e-5 * highest);
});

const SIDE = 24;

/** A bar of seven pixels, upright or lying, with its middle at a place. */
function drawBar(image: Float32Array, upright: boolean, row: number, column: number): void {
  for (let k = -3; k <= 3; k++) image[(row + (upright ? k : 0)) * SIDE + column + (upright ? 0 : k)] = 1;
}

test("a network that learned bars points at the upright one and at the lying one in one image", async () => {
  const bars = defineModel({
    name: "bars",
    input: [SIDE, SIDE, 1],
    classes: 2,
    forward: ({ classes }) =>
      sequential({
        conv1: conv(4, 5, { pad: 2 }),
        relu1: relu(),
        conv2: conv(8, 3, { pad: 1 }),
        relu2: relu(),
        pool: globalAvgPool(),
        fc: linear(classes),
      }),
  });
  const batch = 16;
  using step = await compile(bars(), {
    device,
    batch,
    seed: 1,
    loss: crossEntropy(),
    optimizer: adam({ lr: 0.02 }),
  });
  let loss = Number.NaN;
  for (let k = 0; k < 60; k++) {
    const image = new Float32Array(batch * SIDE * SIDE);
    const label = Uint32Array.from({ length: batch }, (_, n) => n % 2);
    const places = uniforms(9, k, 2 * batch).map((v) => 4 + Math.floor(16 * v));
    for (let n = 0; n < batch; n++) {
      const own = image.subarray(n * SIDE * SIDE, (n + 1) * SIDE * SIDE);
      drawBar(own, n % 2 === 0, places[2 * n] ?? 4, places[2 * n + 1] ?? 4);
    }
    ({ loss } = await step.run({ image, label }));
  }
  expect(loss).toBeLessThan(0.05);

  const both = new Float32Array(2 * SIDE * SIDE);
  for (const own of [both.subarray(0, SIDE * SIDE), both.subarray(SIDE * SIDE)]) {
    drawBar(own, true, 5, 5);
    drawBar(own, false, 18, 18);
  }
  using gradCam = await compileGradCam(bars(), { device, state: step.state, batch: 2 });
  const { maps } = await gradCam.run({ image: both }, [0, 1]);
  const [upright, lying] = maps.map(peakOf);
  expect(Math.max(Math.abs((upright?.row ?? 0) - 5), Math.abs((upright?.column ?? 0) - 5))).toBeLessThan(6);
  expect(Math.max(Math.abs((lying?.row ?? 0) - 18), Math.abs((lying?.column ?? 0) - 18))).toBeLessThan(6);
});
