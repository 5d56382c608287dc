import { expect, test } from "vitest";
import { openDevice } from "./device";
import { compileGraph } from "./executor";
import { add } from "./ops/add";
import { input } from "./tensor";

const device = await openDevice();

test("large inputs arrive whether or not the memory for them is free", async () => {
  const shape = [3, 2 ** 19];
  const [a, b] = [input("a", shape), input("b", [1])] as const;
  const graph = await compileGraph({ outputs: { y: add({ a, b: a }).y, b } }, { device });
  expect(device.liveBytes).toBe(graph.plan.bytes.total);
  const given = (k: number) => ({
    a: Float32Array.from({ length: 3 * 2 ** 19 }, (_, i) => (i % 1000) + k),
    b: Float32Array.of(k),
  });
  // More at once than there is memory for, then one after the other, which have it again.
  const runs = [0, 1, 2, 3, 4].map((k) => graph.run(given(k)));
  for (const [k, made] of runs.entries()) expect((await made).y?.[1_500_000]).toBe(2 * k);
  for (let k = 5; k < 9; k++) {
    const { y, b: same } = await graph.run(given(k));
    expect([y?.[1], y?.[1_500_001], same?.[0]]).toEqual([2 * (k + 1), 2 * (k + 1), k]);
  }
  // A run that is refused leaves the memory to the next.
  await expect(graph.run({ a: given(1).a })).rejects.toThrow("input b is missing");
  expect((await graph.run(given(9))).y?.[0]).toBe(18);
  graph.close();
  device.close();
});
