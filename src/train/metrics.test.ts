import { expect, test } from "vitest";
import { highest, Metrics } from "./metrics";

const logits = (...rows: number[][]) => Float32Array.from(rows.flat());

test("counts top-1, top-5, loss and confusion, and leaves the filling of a batch out", () => {
  const metrics = new Metrics(6);
  const rows = logits([9, 0, 0, 0, 0, 0], [5, 4, 3, 2, 1, 0], [5, 4, 3, 2, 1, 0], [0, 0, 0, 0, 0, 9]);
  metrics.add(rows, Uint32Array.of(0, 4, 5, 0), 3);
  expect(metrics.summary()).toMatchObject({ images: 3, top1: 1 / 3, top5: 2 / 3 });
  expect(metrics.confusion()[0]).toEqual([1, 0, 0, 0, 0, 0]);
  expect(metrics.confusion()[4]).toEqual([1, 0, 0, 0, 0, 0]);
  expect(
    metrics
      .confusion()
      .flat()
      .reduce((a, b) => a + b),
  ).toBe(3);
});

test("the loss is -log softmax in nats, without overflow", () => {
  const metrics = new Metrics(2);
  metrics.add(logits([0, 0], [1000, 999]), Uint32Array.of(1, 0), 2);
  expect(metrics.summary().loss).toBeCloseTo((Math.log(2) + Math.log1p(Math.exp(-1))) / 2, 12);
});

test("of equal logits the first counts", () => {
  const metrics = new Metrics(3);
  metrics.add(logits([1, 1, 0], [1, 1, 0]), Uint32Array.of(0, 1), 2);
  expect(metrics.summary().top1).toBe(0.5);
  expect(metrics.confusion()).toEqual([
    [1, 0, 0],
    [1, 0, 0],
    [0, 0, 0],
  ]);
});

test("a network that gives NaN is never right", () => {
  const metrics = new Metrics(3);
  const broken = [Number.NaN, Number.NaN, Number.NaN];
  metrics.add(logits(broken, broken, broken), Uint32Array.of(0, 1, 2), 3);
  expect(metrics.summary().top1).toBe(0);
  expect(metrics.summary().loss).toBeNaN();
});

test("top-5 means nothing below six classes", () => {
  expect(new Metrics(5).summary().top5).toBeUndefined();
});

test("a label past the classes is refused", () => {
  expect(() => new Metrics(2).add(logits([0, 1]), Uint32Array.of(2), 1)).toThrow(
    "label 2 is past the network's 2 classes",
  );
});

test("the highest values, of equal ones the first", () => {
  expect(highest(Float32Array.of(1, 3, 2, 3), 3)).toEqual([1, 3, 2]);
  expect(highest(Float32Array.of(1, 3, 2, 3), 1)).toEqual([1]);
});
