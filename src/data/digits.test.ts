import { expect, it } from "vitest";
import { loadDigits } from "./digits";

const histogram = (labels: Iterable<number>): number[] => {
  const out = Array<number>(10).fill(0);
  for (const label of labels) out[label] = (out[label] ?? 0) + 1;
  return out;
};

it("the digits are all there, a fifth of each class held out", async () => {
  const { train, test, classes, shape } = await loadDigits();
  expect(shape).toEqual([8, 8, 1]);
  expect(classes).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  const [inTrain, inTest] = [histogram(train.labels), histogram(test.labels)];
  // The class counts that the UCI repository states for optdigits.tes.
  expect(inTrain.map((count, i) => count + (inTest[i] ?? 0))).toEqual([
    178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
  ]);
  expect(inTest).toEqual([35, 36, 35, 36, 36, 36, 36, 35, 34, 36]);
  expect([train.count, test.count]).toEqual([1442, 355]);
});

it("the first image is scikit-learn's first: a zero, 16ths of ink scaled to 255", async () => {
  const { train } = await loadDigits();
  const rows = [
    [0, 0, 5, 13, 9, 1, 0, 0],
    [0, 0, 13, 15, 10, 15, 5, 0],
    [0, 3, 15, 2, 0, 11, 8, 0],
    [0, 4, 12, 0, 0, 8, 8, 0],
    [0, 5, 8, 0, 0, 9, 8, 0],
    [0, 4, 11, 0, 1, 12, 7, 0],
    [0, 2, 14, 5, 10, 12, 0, 0],
    [0, 0, 6, 13, 10, 0, 0, 0],
  ];
  expect([...((await train.read(0)) ?? [])]).toEqual(rows.flat().map((ink) => Math.round((ink * 255) / 16)));
  expect(train.labels[0]).toBe(0);
});
