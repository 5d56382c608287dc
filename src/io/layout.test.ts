import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { engineShape, fileShape, type Layout, toEngine, toFile } from "./layout";

const iota = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i);
const size = fc.integer({ min: 1, max: 5 });

/** A layout together with a file's shape that fits it. */
const anyCase: fc.Arbitrary<{ layout: Layout; shape: number[] }> = fc.oneof(
  fc.array(size, { maxLength: 4 }).map((shape) => ({ layout: "same" as const, shape })),
  fc.tuple(size, size, size, size).map((shape) => ({ layout: "conv" as const, shape: [...shape] })),
  fc.tuple(size, size, size).map(([C, R, S]) => ({ layout: "depthwise" as const, shape: [C, 1, R, S] })),
  fc.tuple(size, size, size, size).map(([K, H, W, C]) => ({
    layout: { flatten: [H, W, C] as const },
    shape: [K, H * W * C],
  })),
);

describe("layout", () => {
  it("puts every element where its indices say", () => {
    const conv = toEngine(iota(2 * 3 * 4 * 5), [2, 3, 4, 5], "conv");
    expect(conv.shape).toEqual([2, 4, 5, 3]);
    const depthwise = toEngine(iota(3 * 4 * 5), [3, 1, 4, 5], "depthwise");
    expect(depthwise.shape).toEqual([4, 5, 3]);
    const linear = toEngine(iota(2 * 60), [2, 60], { flatten: [4, 5, 3] });
    expect(linear.shape).toEqual([2, 60]);
    for (let k = 0; k < 2; k++)
      for (let c = 0; c < 3; c++)
        for (let r = 0; r < 4; r++)
          for (let s = 0; s < 5; s++) {
            const inFile = ((k * 3 + c) * 4 + r) * 5 + s;
            const inEngine = ((k * 4 + r) * 5 + s) * 3 + c;
            expect(conv.data[inEngine]).toBe(inFile);
            expect(linear.data[inEngine]).toBe(inFile);
            if (k === 0) expect(depthwise.data[inEngine]).toBe(inFile);
          }
  });

  it("a flattened linear layer gives the same sums over NHWC as PyTorch's over NCHW", () => {
    // x[c, h, w] = c + 10 h + 100 w, both ways round; w picks each element with a weight of its own.
    const [H, W, C] = [2, 3, 4] as const;
    const nchw = new Float32Array(H * W * C);
    const nhwc = new Float32Array(H * W * C);
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++)
        for (let c = 0; c < C; c++) {
          nchw[(c * H + h) * W + w] = c + 10 * h + 100 * w;
          nhwc[(h * W + w) * C + c] = c + 10 * h + 100 * w;
        }
    const dot = (a: Float32Array, b: Float32Array): number =>
      a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0);
    const weights = iota(H * W * C);
    const moved = toEngine(weights, [1, H * W * C], { flatten: [H, W, C] }).data;
    expect(dot(moved, nhwc)).toBe(dot(weights, nchw));
  });

  it("toFile undoes toEngine, exactly", () => {
    fc.assert(
      fc.property(anyCase, ({ layout, shape }) => {
        const data = iota(shape.reduce((a, b) => a * b, 1));
        const there = toEngine(data, shape, layout);
        expect(there.shape).toEqual(engineShape(shape, layout));
        expect(fileShape(there.shape, layout)).toEqual(shape);
        const back = toFile(there.data, there.shape, layout);
        expect(back).toEqual({ data, shape });
        expect([...there.data].sort((a, b) => a - b)).toEqual([...data]);
        expect(data).toEqual(iota(data.length)); // the input is left alone
      }),
    );
  });

  it("keeps the kind of array", () => {
    expect(toEngine(Uint16Array.of(1, 2), [1, 2, 1, 1], "conv").data).toBeInstanceOf(Uint16Array);
  });

  it.each<[string, () => unknown, string]>([
    [
      "conv rank",
      () => toEngine(iota(4), [2, 2], "conv"),
      "conv weights in a file are [K C R S], got [2, 2]",
    ],
    [
      "conv rank, back",
      () => toFile(iota(4), [2, 2], "conv"),
      "the engine's conv weights are [K R S C], got [2, 2]",
    ],
    [
      "depthwise with more inputs",
      () => toEngine(iota(8), [2, 2, 1, 2], "depthwise"),
      "depthwise weights in a file are [C 1 R S], got [2, 2, 1, 2]",
    ],
    [
      "flatten of other columns",
      () => toEngine(iota(20), [2, 10], { flatten: [2, 2, 3] }),
      "a linear weight behind a flatten of [H W C] = [2, 2, 3] is [K, 12], got [2, 10]",
    ],
    [
      "elements",
      () => toEngine(iota(3), [2, 2, 1, 1], "conv"),
      "shape [2, 2, 1, 1] has 4 elements, the data has 3",
    ],
  ])("refuses %s", (_, run, message) => {
    expect(run).toThrow(message);
  });
});
