import { afterAll, expect, test, vi } from "vitest";
import { openDevice } from "./device";
import { compileGraph } from "./executor";
import { relu } from "./ops/activations";
import { add } from "./ops/add";
import { biasAdd } from "./ops/bias-add";
import { matmul, matmulTN } from "./ops/matmul";
import { uniforms } from "./random";
import { input, type OpNode, type Tensor } from "./tensor";

const device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
afterAll(() => device.close());

// Without subgroups of one size nothing is read from textures.
const textured = test.skipIf(device.subgroupSize === undefined || device.subgroupSize > 8);

const inTextures = ({ op }: OpNode) => (op.name.startsWith("matmul") ? "subgroupTextures" : undefined);
const directly = ({ op }: OpNode) => (op.name.startsWith("matmul") ? "direct" : undefined);
const values = (t: Tensor, stream: number) =>
  uniforms(
    1,
    stream,
    t.shape.reduce((p, n) => p * n, 1),
  );

textured("a texture holds rows of texels and what is left over, and is counted and freed", async () => {
  // 8,400 texels are four rows of 2,048 and 208 more.
  const [a, b] = [input("a", [100, 336]), input("b", [336, 68])] as const;
  const before = device.liveBytes;
  const given = { a: values(a, 1), b: values(b, 2) };
  const results = [];
  for (const choose of [directly, inTextures]) {
    const graph = await compileGraph({ outputs: { y: matmul({ a, b }).y } }, { device, choose });
    expect(device.liveBytes - before).toBe(graph.plan.bytes.total);
    results.push((await graph.run(given)).y ?? []);
    expect(graph.plan.textures).toEqual(choose === inTextures ? [4 * 100 * 336, 4 * 336 * 68] : []);
    graph.close();
    expect(device.liveBytes).toBe(before);
  }
  const [direct = [], found = []] = results;
  expect(found).toHaveLength(6800);
  for (const [k, y] of found.entries()) expect(Math.abs(y - (direct[k] ?? Number.NaN))).toBeLessThan(1e-3);
});

textured("what a texture holds already is not copied again, but in every run anew", async () => {
  const [x, w, v] = [input("x", [64, 64]), input("w", [64, 64]), input("v", [64, 64])] as const;
  const a = add({ a: x, b: x }).y;
  const outputs = { p: matmulTN({ a, b: w }).y, q: matmulTN({ a, b: v }).y };
  const given = (k: number) => ({ x: values(x, k), w: values(w, k + 1), v: values(v, k + 2) });
  const [direct, tested] = await Promise.all(
    [directly, inTextures].map((choose) => compileGraph({ outputs }, { device, choose })),
  );
  const copy = vi.spyOn(GPUCommandEncoder.prototype, "copyBufferToTexture");
  try {
    for (const k of [1, 11, 21]) {
      copy.mockClear();
      const made = await tested?.run(given(k));
      expect(copy).toHaveBeenCalledTimes(3); // a once, w, v
      const wanted = await direct?.run(given(k));
      for (const name of ["p", "q"])
        for (const [i, y] of (made?.[name] ?? []).entries())
          expect(Math.abs(y - (wanted?.[name]?.[i] ?? Number.NaN))).toBeLessThan(1e-3);
    }
  } finally {
    copy.mockRestore();
  }
  direct?.close();
  tested?.close();
});

textured("a profile times a step together with its copies", async () => {
  const [a, b] = [input("a", [64, 64]), input("b", [64, 64])] as const;
  const graph = await compileGraph({ outputs: { y: matmul({ a, b }).y } }, { device, choose: inTextures });
  const passes = vi.spyOn(GPUCommandEncoder.prototype, "beginComputePass");
  const copies = vi.spyOn(GPUCommandEncoder.prototype, "copyBufferToTexture");
  try {
    const times = await graph.profile({ a: values(a, 1), b: values(b, 2) });
    expect(times).toEqual([expect.any(Number)]);
    expect(times[0]).toBeGreaterThan(0);
    const [first, second] = passes.mock.calls.map(([descriptor]) => descriptor?.timestampWrites);
    expect(Object.keys(first ?? {})).toEqual(["querySet", "beginningOfPassWriteIndex"]);
    expect(Object.keys(second ?? {})).toEqual(["querySet", "endOfPassWriteIndex"]);
    const [begins = 0, ends = 0] = passes.mock.invocationCallOrder;
    for (const order of copies.mock.invocationCallOrder) expect(order > begins && order < ends).toBe(true);
    expect(copies).toHaveBeenCalledTimes(2);
  } finally {
    passes.mockRestore();
    copies.mockRestore();
  }
  graph.close();
});

textured("what is fused behind a sum in parts is applied to the whole of it", async () => {
  const [a, b, c] = [input("a", [45, 256]), input("b", [256, 36]), input("c", [36])] as const;
  const outputs = { y: relu({ x: biasAdd({ x: matmul({ a, b }).y, b: c }).y }).y };
  const given = { a: values(a, 1), b: values(b, 2), c: values(c, 3).map((v) => -100 * v) };
  const inParts = ({ op }: OpNode) => (op.name === "matmul" ? "subgroupSums" : undefined);
  const results = [];
  for (const choose of [directly, inParts]) {
    const graph = await compileGraph({ outputs }, { device, choose });
    expect(graph.plan.steps).toHaveLength(1);
    results.push((await graph.run(given)).y ?? []);
    graph.close();
  }
  const [direct = [], found = []] = results;
  expect(found.filter((y) => y > 0).length).toBeGreaterThan(500);
  expect(found.filter((y) => y === 0).length).toBeGreaterThan(100);
  for (const [k, y] of found.entries()) expect(Math.abs(y - (direct[k] ?? Number.NaN))).toBeLessThan(1e-3);
});
