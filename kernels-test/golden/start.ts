import { fileShape, toEngine } from "../../src/io/layout";
import type { State } from "../../src/state";
import { type GoldenOptions, goldenState } from "./generator";

/** Fills parameters and running statistics with the generator's values; returns them as a file has them. */
export function writeGolden(state: State, options: GoldenOptions): Map<string, Float32Array> {
  const variables = state.variables().filter(({ role }) => role !== "slot");
  const start = goldenState(
    variables.map(({ name, shape, layout }) => [name, fileShape(shape, layout)] as const),
    options,
  );
  for (const { name, shape, layout } of variables) {
    const values = start.get(name);
    if (values !== undefined) state.write(name, toEngine(values, fileShape(shape, layout), layout).data);
  }
  return start;
}
