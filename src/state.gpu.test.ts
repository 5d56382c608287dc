import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "./device";
import { compileGraph } from "./executor";
import { add } from "./ops/add";
import { State } from "./state";
import { input, type VariableNode, variable } from "./tensor";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device?.close());

const counting = (name: string, shape: readonly number[], role: "parameter" | "slot" = "parameter") =>
  variable(name, shape, ([n = 1, m = 1]) => Float32Array.from({ length: n * m }, (_, k) => k), { role });
const nodeOf = (t: ReturnType<typeof variable>) => t.node as VariableNode;

test("variables are initialised once, read and written by name, and freed", async () => {
  const state = new State(device, { seed: 5 });
  const w = nodeOf(counting("w", [3, 4]));
  await state.ensure([w]);
  expect(state.seed).toBe(5);
  expect(await state.read("w")).toEqual(Float32Array.from({ length: 12 }, (_, k) => k));
  state.write("w", new Float32Array(12).fill(7));
  await state.ensure([w, nodeOf(counting("slot", [2, 2], "slot"))]);
  expect(await state.read("w")).toEqual(new Float32Array(12).fill(7));
  expect(state.variables().map(({ name }) => name)).toEqual(["w", "slot"]);
  expect(state.variables("slot").map(({ name }) => name)).toEqual(["slot"]);
  expect(state.bytes).toBe(device.liveBytes);
  state.close();
  expect(device.liveBytes).toBe(0);
});

test("what does not fit is refused with both sizes", async () => {
  const state = new State(device);
  await state.ensure([nodeOf(counting("w", [3, 4]))]);
  expect(() => state.write("w", new Float32Array(11))).toThrow("state: w [3, 4] has 12 values, given 11");
  expect(() => state.write("v", new Float32Array(1))).toThrow("state: there is no variable v");
  await expect(state.read("v")).rejects.toThrow("state: there is no variable v");
  await expect(state.ensure([nodeOf(counting("w", [4, 3]))])).rejects.toThrow(
    "state: variable w has shape [3, 4], the graph wants [4, 3]; give the graph a state of its own",
  );
  state.close();
});

test("a variable past the limit of a buffer lies in several, whole rows each, and reads as one", async () => {
  const state = new State(device, { maxBufferSize: 1024 });
  await state.ensure([nodeOf(counting("w", [12, 64]))]);
  const places = state.places("w");
  expect(places.map(({ bytes }) => bytes)).toEqual([1024, 1024, 1024]);
  expect(new Set(places.map(({ buffer }) => buffer)).size).toBe(3);
  expect(await state.read("w")).toEqual(Float32Array.from({ length: 768 }, (_, k) => k));
  const reversed = Float32Array.from({ length: 768 }, (_, k) => 767 - k);
  state.write("w", reversed);
  expect(await state.read("w")).toEqual(reversed);
  state.close();
});

test("graphs share a state that outlives them", async () => {
  const state = new State(device);
  const x = input("x", [2, 2]);
  const run = async (values: Float32Array) => {
    using graph = await compileGraph(
      { outputs: { y: add({ a: x, b: counting("b", [2, 2]) }).y } },
      { device, state },
    );
    return (await graph.run({ x: values })).y;
  };
  expect(await run(new Float32Array(4))).toEqual(Float32Array.of(0, 1, 2, 3));
  state.write("b", Float32Array.of(5, 5, 5, 5));
  expect(await run(new Float32Array(4).fill(1))).toEqual(Float32Array.of(6, 6, 6, 6));
  state.close();
});
