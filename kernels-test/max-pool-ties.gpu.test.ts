import { expect, test } from "vitest";
import { openDevice } from "../src/device";
import { compileGraph } from "../src/executor";
import { maxPool } from "../src/ops/max-pool";
import { input } from "../src/tensor";

test.each([
  { name: "vec4", channels: 4 },
  { name: "scalar", channels: 3 },
])("of equal values the first one wins ($name)", async ({ channels }) => {
  const device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
  const x = input("x", [1, 4, 5, channels]);
  const { index } = maxPool({ x, window: [2, 3], stride: [2, 2], pad: 1 });
  const graph = await compileGraph({ outputs: { index } }, { device });
  const got = await graph.run({ x: new Float32Array(4 * 5 * channels) });
  // The first value inside the image: row 1 of windows at the top, column 1 of windows on the left.
  const rows = [1, 0, 0];
  const columns = [1, 0, 0];
  const expected = rows.flatMap((r) =>
    columns.flatMap((s) => Array.from({ length: channels }, () => r * 3 + s)),
  );
  expect(Array.from(got.index ?? [])).toEqual(expected);
  graph.close();
  device.close();
});
