import { describe, expect, it } from "vitest";
import { normalOf, normalQuantiles, normalUnit } from "./normal-quantiles";
import { normals, permutation, philox4x32, streamOf, truncatedNormals, uniforms } from "./random";

const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe("philox4x32", () => {
  // The known-answer vectors of Random123 (kat_vectors, philox4x32 10).
  it.each([
    ["zeros", [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
    [
      "ones",
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      "digits of pi",
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ] as const)("gives the published answer for %s", (_, counter, key, expected) => {
    expect(philox4x32(counter, key)).toEqual(expected);
  });
});

describe("uniforms", () => {
  it("is lane i % 4 of the block i >> 2, also past a chunk and for a seed beyond 32 bits", () => {
    const seed = 5 * 2 ** 32 + 7;
    const values = uniforms(seed, 9, 10_001);
    for (const i of [0, 1, 2, 3, 4, 4095, 4096, 9999, 10_000])
      expect(values[i]).toBe(((philox4x32([i >> 2, 0, 9, 0], [7, 5])[i % 4] ?? 0) >>> 8) * 2 ** -24);
  });

  it("stays in [0, 1), has the right mean, and does not depend on the count", () => {
    const values = uniforms(1, 2, 40_000);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(Math.abs(mean(values) - 0.5)).toBeLessThan(0.006);
    expect(uniforms(1, 2, 5)).toEqual(values.slice(0, 5));
    expect(uniforms(1, 3, 5)).not.toEqual(values.slice(0, 5));
  });

  it.each([-1, 0.5, Number.NaN, 2 ** 53])("refuses the seed %s", (seed) => {
    expect(() => uniforms(seed, 0, 1)).toThrow(/^random: seed is .*; give an integer/);
  });

  it("refuses a stream that is no u32", () => {
    expect(() => uniforms(0, 2 ** 32, 1)).toThrow(/^random: stream is 4294967296/);
  });
});

describe("normals", () => {
  it("has mean 0, variance 1, and an odd count is a prefix", () => {
    const values = normals(3, 4, 40_000);
    expect(Math.abs(mean(values))).toBeLessThan(0.02);
    expect(Math.abs(mean(values.map((z) => z * z)) - 1)).toBeLessThan(0.03);
    expect(normals(3, 4, 7)).toEqual(values.slice(0, 7));
  });

  // P(|z| > t) = erfc(t / √2); four standard errors of a binomial count are allowed.
  it.each([
    [0.01, 0.99202],
    [0.3186394, 0.75],
    [0.6744898, 0.5],
    [1.1503494, 0.25],
    [1.959964, 0.05],
    [2.5758293, 0.01],
    [3.2905267, 0.001],
  ])("exceeds %d in magnitude with the probability %d, on both sides alike", (t, probability) => {
    const count = 200_000;
    const values = normals(5, 6, count);
    const above = values.filter((z) => z > t).length;
    const below = values.filter((z) => z < -t).length;
    const error = Math.sqrt(count * probability * (1 - probability));
    expect(Math.abs(above + below - count * probability)).toBeLessThan(4 * error);
    expect(Math.abs(above - below)).toBeLessThan(4 * Math.sqrt(above + below));
  });

  it("looks quantiles up that agree with the inverse of the error function", () => {
    const quantiles = normalQuantiles();
    // √2 · erfc⁻¹(u), from 30 digits.
    for (const [u, z] of [
      [1e-6, 4.89163847569859],
      [1e-3, 3.290526731491895],
      [0.05, 1.9599639845400543],
      [0.25, 1.150349380376008],
      [0.5, 0.6744897501960817],
      [0.75, 0.31863936396437514],
      [0.99609375, 0.004895777906342451],
    ] as const) {
      const word = Math.round(u * 2 ** 32) & ~1;
      expect(Math.abs(normalOf(word >>> 0, quantiles) * normalUnit - z)).toBeLessThan(3e-6);
      expect(normalOf((word | 1) >>> 0, quantiles)).toBe(-normalOf(word >>> 0, quantiles));
    }
    expect([0, 1, 0xffffffff].map((word) => normalOf(word, quantiles) * normalUnit)).toEqual([
      6.337957382202148, -6.337957382202148, 0,
    ]);
  });

  it("truncated: within the limit, unchanged where it was within already", () => {
    const plain = normals(3, 4, 20_000);
    const cut = truncatedNormals(3, 4, 20_000, 1.5);
    expect(cut.every((z) => Math.abs(z) <= 1.5)).toBe(true);
    expect(cut.every((z, i) => Math.abs(plain[i] ?? 0) > 1.5 || z === plain[i])).toBe(true);
    // Var(z | |z| <= 1.5) = 1 - 2·1.5·φ(1.5) / (2Φ(1.5) - 1) = 0.5513
    expect(Math.abs(mean(cut.map((z) => z * z)) - 0.5513)).toBeLessThan(0.02);
    expect(() => truncatedNormals(3, 4, 1, 0)).toThrow(/limit is 0/);
  });
});

describe("permutation", () => {
  it("holds every index once, and no position is favoured", () => {
    const order = permutation(1, 2, 1000);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    const seen = new Map<string, number>();
    for (let stream = 0; stream < 6000; stream++) {
      const name = permutation(1, stream, 3).join();
      seen.set(name, (seen.get(name) ?? 0) + 1);
    }
    expect(seen.size).toBe(6);
    for (const times of seen.values()) expect(Math.abs(times - 1000)).toBeLessThan(150);
    expect(permutation(1, 2, 0)).toHaveLength(0);
  });
});

it("streamOf is FNV-1a over UTF-8", () => {
  expect(streamOf("")).toBe(0x811c9dc5);
  expect(streamOf("a")).toBe(0xe40c292c);
  expect(streamOf("foobar")).toBe(0xbf9cf968);
  expect(streamOf("é")).toBe(Math.imul(Math.imul(0x811c9dc5 ^ 0xc3, 0x01000193) ^ 0xa9, 0x01000193) >>> 0);
});
