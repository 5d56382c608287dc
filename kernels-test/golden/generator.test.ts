import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { streamOf } from "../../src/random";
import {
  type GoldenKind,
  goldenImage,
  goldenKind,
  goldenLabels,
  goldenParameter,
  goldenSamples,
  goldenState,
} from "./generator";

interface Recorded {
  streams: Record<string, number>;
  labels: number[];
  image: [shape: number[], at: number[], values: number[]];
  parameters: [
    name: string,
    shape: number[],
    kind: GoldenKind,
    options: { seed: number; linearGain: number; shift: number },
    at: number[],
    values: number[],
  ][];
}

const recorded: Recorded = JSON.parse(
  readFileSync(new URL("./generator-values.json", import.meta.url), "utf8"),
);

describe("the generator gives the values that Python recorded", () => {
  it.each(recorded.parameters)("%s %j", (name, shape, kind, options, at, values) => {
    const actual = goldenParameter(name, shape, kind, options);
    expect(at.map((i) => actual[i])).toEqual(values);
    expect(goldenSamples(name, actual.length, options.seed).slice(0, 6)).toEqual(at.slice(0, 6));
  });

  it("picture, labels, streams", () => {
    const [shape, at, values] = recorded.image;
    const image = goldenImage(shape);
    expect(at.map((i) => image[i])).toEqual(values);
    expect([...goldenLabels(5, 10)]).toEqual(recorded.labels);
    for (const [name, stream] of Object.entries(recorded.streams)) expect(streamOf(name)).toBe(stream);
  });
});

it("tells a batch norm's bias from a convolution's by the running mean beside it", () => {
  const names = new Set(["a.bn.bias", "a.bn.running_mean", "a.conv.bias"]);
  expect(goldenKind("a.bn.bias", [4], names)).toBe("shift");
  expect(goldenKind("a.conv.bias", [4], names)).toBe("bias");
  const state = goldenState([
    ["a.bn.bias", [4]],
    ["a.bn.running_mean", [4], "buffer"],
  ]);
  expect([...(state.get("a.bn.running_mean") ?? [])]).toEqual([0, 0, 0, 0]);
  expect(state.get("a.bn.bias")?.every((shift) => shift >= 0.25 && shift < 1.25)).toBe(true);
});
