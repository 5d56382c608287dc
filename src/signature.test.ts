import { expect, test } from "vitest";
import { add } from "./ops/add";
import { conv2d } from "./ops/conv2d";
import { input, inScope, ShapeError } from "./tensor";

test("sizes that disagree name the axis, both places and all shapes", () => {
  expect(() => conv2d({ x: input("x", [1, 8, 8, 3]), w: input("w", [4, 3, 3, 5]) })).toThrow(
    /^conv2d: C is 3 in x but 5 in w; x \[N H W C\] = \[1, 8, 8, 3\], w \[K R S C/,
  );
  expect(() => add({ a: input("a", [2, 3]), b: input("b", [3, 2]) })).toThrow(ShapeError);
});

test("an error names the layer in whose scope it happened", () => {
  const declare = () => conv2d({ x: input("x", [1, 2, 2, 3]), w: input("w", [4, 3, 3, 3]) });
  expect(() => inScope("features.0", "forward", declare)).toThrow(
    /padded input is 2×2 \(layer features\.0\)$/,
  );
});

test("attributes are checked and unknown ones refused", () => {
  const x = input("x", [1, 8, 8, 3]);
  const w = input("w", [4, 3, 3, 3]);
  expect(() => conv2d({ x, w, stride: -1 })).toThrow(
    /stride is -1, expected a whole number or \[height, width\]/,
  );
  expect(() => conv2d({ x, w, groups: 0.5 })).toThrow(/groups is 0\.5, expected a whole number/);
  expect(() => conv2d.apply({ x, w, strides: 2 })).toThrow(
    /no input or attribute "strides"; it has x, w, stride/,
  );
  expect(() => conv2d.apply({ x })).toThrow(/input w is missing, expected a tensor/);
});

test("element types that disagree are refused", () => {
  expect(() => add({ a: input("a", [2]), b: input("b", [2], "f16") })).toThrow(
    /element type is f32 in a but f16 in b/,
  );
});

test("a batch of 0 is refused where it is declared", () => {
  expect(() => input("image", [0, 8, 8, 3])).toThrow(
    /image: axis 0 is 0, expected a whole number of at least 1/,
  );
});
