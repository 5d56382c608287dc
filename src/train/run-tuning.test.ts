import { expect, test } from "vitest";
import { lostTuning } from "./run-tuning";

const choice = { kernel: "tiled64", sources: "0123456789abcdef" };
const tuning = { adapter: "GPU | driver 1", choices: { a: choice, b: choice } };

test("a run tells when kernels that it was tuned to no longer hold", () => {
  expect(lostTuning({}, undefined)).toBeUndefined();
  expect(lostTuning({ tuning }, tuning)).toBeUndefined();
  expect(lostTuning({ tuning }, { ...tuning, choices: { a: choice } })).toMatch(
    /^1 of 2 kernels that the run was tuned to do not hold here \(measured on GPU \| driver 1, /,
  );
  expect(lostTuning({ tuning }, undefined)).toMatch(/^2 of 2 kernels/);
});
