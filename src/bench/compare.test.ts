import { describe, expect, it } from "vitest";
import { compareRow } from "./compare";
import { circumstances, networkRow, opRow } from "./example-rows";
import { spreadOf } from "./statistics";

const around = (ms: number) => spreadOf([0.98, 1.01, 1, 0.99, 1.02, 1.03, 0.97, 1].map((f) => f * ms));

describe("compareRow", () => {
  it("tells a real change", () => {
    const old = networkRow({ step: around(10) });
    const slower = compareRow(networkRow({ step: around(12) }), [old]);
    expect(slower?.change).toBeCloseTo(0.2, 6);
    expect(slower?.p).toBeLessThan(0.002);
    expect(slower?.verdict).toBe("slower");
    expect(compareRow(networkRow({ step: around(8) }), [old])?.verdict).toBe("faster");
  });

  it("does not make much of the same", () => {
    const old = networkRow({ step: around(10) });
    expect(compareRow(networkRow({ step: around(10.01) }), [old])?.verdict).toBe("within the noise");
  });

  it("knows when samples are too few to tell", () => {
    const row = (ms: number) => networkRow({ step: spreadOf([ms, ms, ms]) });
    expect(compareRow(row(20), [row(10)])?.verdict).toBe("too few samples");
  });

  it("compares like with like: model, mode, batch, size and adapter", () => {
    const row = networkRow();
    for (const other of [
      { model: "vgg16" },
      { mode: "infer" as const },
      { batch: 4 },
      { imageSize: 64 },
      { circumstances: { ...circumstances, adapter: "another" } },
    ])
      expect(compareRow(row, [networkRow(other)])).toBeUndefined();
    const newest = networkRow({ step: around(7) });
    expect(compareRow(row, [networkRow({ step: around(9) }), newest])?.before).toBe(newest.step.median);
  });

  it("names circumstances that are not as they were", () => {
    const now = { ...circumstances, driver: "driver 2.0", toggles: [], date: "later", commit: "other" };
    expect(compareRow(networkRow({ circumstances: now }), [networkRow()])?.circumstances).toEqual([
      "driver",
      "toggles",
    ]);
  });

  it("compares ops, too", () => {
    const slow = opRow({ time: spreadOf([20, 21, 22, 23, 20, 21]) });
    const fast = opRow({ time: spreadOf([10, 11, 12, 13, 10, 11]) });
    expect(compareRow(fast, [networkRow(), slow])).toMatchObject({
      verdict: "faster",
      before: 21,
      after: 11,
    });
    expect(compareRow(fast, [opRow({ case: "odd" })])).toBeUndefined();
  });
});
