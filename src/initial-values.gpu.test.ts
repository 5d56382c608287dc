import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice } from "./device";
import {
  kaimingNormal,
  normalInit,
  torchWeight,
  truncatedNormalInit,
  uniformInit,
  xavierNormal,
} from "./nn/initializers";
import { streamOf } from "./random";
import { State } from "./state";
import { type Initializer, type Shape, type VariableNode, variable } from "./tensor";

let device: Device;
beforeAll(async () => {
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(() => device.close());

const nodeOf = (name: string, shape: Shape, init: Initializer) =>
  variable(name, shape, init).node as VariableNode;

const seed = 5 * 2 ** 32 + 7;

// Whole blocks of four and not, one value, several workgroups.
test.each<[string, Shape, Initializer]>([
  ["uniform", [3, 3, 3, 64], torchWeight],
  ["uniform of a bound that f32 does not hold", [1001], uniformInit(0.1)],
  ["one value", [1], normalInit(1)],
  ["normal", [64, 7, 7, 3], kaimingNormal("out")],
  ["normal, of an odd number", [37, 111], xavierNormal(1.3)],
  ["truncated", [33, 1001], truncatedNormalInit(0.02, 1.5)],
  ["truncated so that most are drawn again", [1001], truncatedNormalInit(3, 0.2)],
])("%s: the device draws what the host draws", async (name, shape, init) => {
  const state = new State(device, { seed });
  // Something before it, so that it does not lie at the start of a buffer.
  await state.ensure([nodeOf("before", [5], normalInit(1)), nodeOf(name, shape, init)]);
  const values = await state.read(name);
  expect(values).toEqual(init(shape, seed, streamOf(name)));
  expect(new Set(values).size).toBeGreaterThan(0.9 * values.length);
  state.close();
});

test("a variable in several buffers is drawn as one", async () => {
  const state = new State(device, { seed: 3, maxBufferSize: 4096 });
  const shape = [130, 64];
  await state.ensure([nodeOf("w", shape, normalInit(0.5))]);
  expect(state.places("w").length).toBeGreaterThan(4);
  expect(await state.read("w")).toEqual(normalInit(0.5)(shape, 3, streamOf("w")));
  state.close();
});

test("a variable past the binding limit is drawn in parts", async () => {
  const small = await openDevice({ adapter: process.env.STRIATE_DEVICE, limits: "default" });
  const state = new State(small);
  const shape = [2 ** 25 + 4321];
  await state.ensure([nodeOf("w", shape, uniformInit(1))]);
  expect(state.places("w")).toHaveLength(1);
  const [values, expected] = [await state.read("w"), uniformInit(1)(shape, 0, streamOf("w"))];
  for (const from of [0, 2 ** 25 - 500, 2 ** 25 + 3321])
    expect(values.slice(from, from + 1000)).toEqual(expected.slice(from, from + 1000));
  small.close();
});

test("an initializer of the caller's own is asked on the host", async () => {
  const state = new State(device, { seed: 3 });
  const own: Initializer = ([n = 0], from, stream) =>
    Float32Array.from({ length: n }, (_, k) => k + from + (stream % 2));
  await state.ensure([nodeOf("own", [9], own), nodeOf("w", [9], uniformInit(1))]);
  expect(await state.read("own")).toEqual(own([9], 3, streamOf("own")));
  expect(await state.read("w")).toEqual(uniformInit(1)([9], 3, streamOf("w")));
  state.close();
});

test("variables of which one cannot be initialised are all forgotten", async () => {
  const state = new State(device, { seed: 3 });
  await state.ensure([nodeOf("kept", [5], uniformInit(1))]);
  const before = device.liveBytes;
  const failing: Initializer = () => {
    throw new Error("no values today");
  };
  const others = [nodeOf("w", [9], uniformInit(1)), nodeOf("own", [9], failing)];
  await expect(state.ensure(others)).rejects.toThrow("no values today");
  expect(device.liveBytes).toBe(before);
  expect(state.variables().map(({ name }) => name)).toEqual(["kept"]);
  await state.ensure([nodeOf("w", [9], uniformInit(2)), nodeOf("own", [9], uniformInit(1))]);
  expect(await state.read("w")).toEqual(uniformInit(2)([9], 3, streamOf("w")));
  expect(await state.read("kept")).toEqual(uniformInit(1)([5], 3, streamOf("kept")));
  state.close();
});

test("who asks for a variable that another one is about to draw waits for its values", async () => {
  // With a device of its own, whose pipeline is still to be made.
  const fresh = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  const state = new State(fresh, { seed: 6 });
  const nodes = [nodeOf("w", [7000], normalInit(1))];
  const [first, second] = [state.ensure(nodes), state.ensure(nodes)];
  while (state.variables().length === 0) await new Promise((resolve) => setImmediate(resolve));
  await state.ensure(nodes);
  expect(await state.read("w")).toEqual(normalInit(1)([7000], 6, streamOf("w")));
  await Promise.all([first, second]);
  expect(state.bytes).toBeLessThan(2 * 4 * 7000);
  fresh.close();
});

test("what is drawn for a run is there when it is submitted with others", async () => {
  const state = new State(device, { seed: 4 });
  await state.ensure([nodeOf("a", [300], normalInit(1))]);
  state.write("a", new Float32Array(300).fill(2));
  await state.ensure([nodeOf("b", [300], normalInit(1))]);
  expect(await state.read("a")).toEqual(new Float32Array(300).fill(2));
  expect(await state.read("b")).toEqual(normalInit(1)([300], 4, streamOf("b")));
  state.close();
});
