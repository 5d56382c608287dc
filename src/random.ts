/**
 * Randomness is a counter: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
 * A value is a function of (seed, stream, index) and of nothing else, so runs repeat, resumed runs continue
 * bit for bit, and the GPU (shaders/lib/philox.ts) draws the same numbers as the host.
 */

import { normalOf, normalQuantiles, normalUnit } from "./normal-quantiles";

export type PhiloxCounter = readonly [number, number, number, number];
export type PhiloxKey = readonly [number, number];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const WEYL0 = 0x9e3779b9 | 0;
const WEYL1 = 0xbb67ae85 | 0;

const TWO_24 = 2 ** -24;
const TWO_32 = 2 ** -32;
const CHUNK = 4096; // words drawn at a time: small enough for the cache

/**
 * Two blocks into `out[at .. at + 7]`, of a counter and of the next, or of the same: side by side, so that neither waits for its
 * own last round. The high word of a product is what is left in f64 without the low one, which is exact: the product's
 * rounding error is below 2^11, so a half more than the quotient by 2^32 never leaves the interval of the right integer.
 */
function blocks(
  out: Uint32Array,
  at: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  following0: number,
  key0: number,
  key1: number,
): void {
  let a0 = counter0 | 0;
  let a1 = counter1 | 0;
  let a2 = counter2 | 0;
  let a3 = counter3 | 0;
  let b0 = following0 | 0;
  let b1 = a1;
  let b2 = a2;
  let b3 = a3;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    const a3Next = Math.imul(a0, M0);
    const a1Next = Math.imul(a2, M1);
    const b3Next = Math.imul(b0, M0);
    const b1Next = Math.imul(b2, M1);
    const a2High = ((a0 >>> 0) * M0 - (a3Next >>> 0)) * TWO_32 + 0.5;
    const a0High = ((a2 >>> 0) * M1 - (a1Next >>> 0)) * TWO_32 + 0.5;
    const b2High = ((b0 >>> 0) * M0 - (b3Next >>> 0)) * TWO_32 + 0.5;
    const b0High = ((b2 >>> 0) * M1 - (b1Next >>> 0)) * TWO_32 + 0.5;
    a0 = (a0High | 0) ^ a1 ^ k0;
    a2 = (a2High | 0) ^ a3 ^ k1;
    a1 = a1Next;
    a3 = a3Next;
    b0 = (b0High | 0) ^ b1 ^ k0;
    b2 = (b2High | 0) ^ b3 ^ k1;
    b1 = b1Next;
    b3 = b3Next;
    k0 = (k0 + WEYL0) | 0;
    k1 = (k1 + WEYL1) | 0;
  }
  out[at] = a0;
  out[at + 1] = a1;
  out[at + 2] = a2;
  out[at + 3] = a3;
  out[at + 4] = b0;
  out[at + 5] = b1;
  out[at + 6] = b2;
  out[at + 7] = b3;
}

/** One block into `out[0 .. 3]`, of eight words. */
const block = (out: Uint32Array, [c0, c1, c2, c3]: PhiloxCounter, [key0, key1]: PhiloxKey): void =>
  blocks(out, 0, c0, c1, c2, c3, c0, key0, key1);

/**
 * Philox 4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
 *
 * @example philox4x32([0, 0, 0, 0], [0, 0]) // [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
 */
export function philox4x32(counter: PhiloxCounter, key: PhiloxKey): [number, number, number, number] {
  const out = new Uint32Array(8);
  block(out, counter, key);
  const [a = 0, b = 0, c = 0, d = 0] = out;
  return [a, b, c, d];
}

/** The 64-bit key of a seed: its low and its high word. Throws unless the seed is an integer of 0 .. 2^53 - 1. */
export function keyOf(seed: number): [number, number] {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`random: seed is ${seed}; give an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

function checkStream(stream: number): void {
  if (!Number.isInteger(stream) || stream < 0 || stream > 0xffffffff)
    throw new RangeError(
      `random: stream is ${stream}; give an integer from 0 to 4294967295, as streamOf does`,
    );
}

/** Word i of (seed, stream) is lane i % 4 of philox([i >> 2, 0, stream, 0]); `use` gets them in chunks. */
function eachChunk(
  seed: number,
  stream: number,
  count: number,
  use: (words: Uint32Array, first: number, size: number) => void,
): void {
  const [key0, key1] = keyOf(seed);
  checkStream(stream);
  const words = new Uint32Array(CHUNK);
  for (let first = 0; first < count; first += CHUNK) {
    const size = Math.min(CHUNK, count - first);
    for (let at = 0; at < size; at += 8) {
      const counter = (first + at) / 4;
      blocks(words, at, counter, 0, stream, 0, counter + 1, key0, key1);
    }
    use(words, first, size);
  }
}

/**
 * `count` uniform numbers in [0, 1) on the grid of 2^-24: element i is `(word >>> 8) * 2^-24`, where word is
 * lane i % 4 of philox(counter = [i >> 2, 0, stream, 0], key = [seed low, seed high]).
 *
 * @example uniforms(1, streamOf("conv1.weight"), 864)
 */
export function uniforms(seed: number, stream: number, count: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(count);
  eachChunk(seed, stream, count, (words, first, size) => {
    for (let i = 0; i < size; i++) out[first + i] = ((words[i] ?? 0) >>> 8) * TWO_24;
  });
  return out;
}

/**
 * `count` standard normal numbers: element i is the quantile that word i of the stream stands for (`normalOf`).
 *
 * @example normals(1, streamOf("fc.weight"), 512).map((z) => 0.01 * z)
 */
export function normals(seed: number, stream: number, count: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(count);
  const quantiles = normalQuantiles();
  eachChunk(seed, stream, count, (words, first, size) => {
    for (let i = 0; i < size; i++) out[first + i] = normalOf(words[i] ?? 0, quantiles) * normalUnit;
  });
  return out;
}

/** Throws where normal numbers are to be cut so close to zero that hardly one would be within. */
export function checkLimit(limit: number): void {
  if (!(limit >= 0.01))
    throw new RangeError(`random: limit is ${limit} standard deviations; give at least 0.01`);
}

/**
 * `count` standard normal numbers conditioned on |z| <= limit, in standard deviations. An element outside is drawn
 * again from its own block under counter [i, attempt, stream, 1], so no element depends on another one's luck.
 *
 * @example truncatedNormals(1, streamOf("fc.weight"), 512, 2).map((z) => 0.1 * z)
 */
export function truncatedNormals(
  seed: number,
  stream: number,
  count: number,
  limit = 2,
): Float32Array<ArrayBuffer> {
  checkLimit(limit);
  const out = normals(seed, stream, count);
  const key = keyOf(seed);
  const quantiles = normalQuantiles();
  const words = new Uint32Array(8);
  for (let i = 0; i < count; i++) {
    let z = out[i] ?? 0;
    for (let attempt = 0; Math.abs(z) > limit; attempt++) {
      block(words, [i, attempt, stream, 1], key);
      z = normalOf(words[0] ?? 0, quantiles) * normalUnit;
    }
    out[i] = z;
  }
  return out;
}

/**
 * A permutation of 0 .. n - 1 (Fisher–Yates), every one equally likely: a bounded integer is drawn by refusing the
 * words of the incomplete last interval, not by a remainder alone.
 *
 * @example for (const sample of permutation(seed, streamOf(`epoch ${epoch}`), dataset.length)) { }
 */
export function permutation(seed: number, stream: number, n: number): Uint32Array<ArrayBuffer> {
  const key = keyOf(seed);
  checkStream(stream);
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  const words = new Uint32Array(8);
  let drawn = 0;
  const below = (bound: number): number => {
    const refused = 2 ** 32 % bound;
    for (;;) {
      if (drawn % 4 === 0) block(words, [drawn / 4, 0, stream, 0], key);
      const word = words[drawn++ % 4] ?? 0;
      if (word >= refused) return word % bound;
    }
  };
  for (let i = n - 1; i > 0; i--) {
    const j = below(i + 1);
    const kept = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = kept;
  }
  return order;
}

/**
 * The stream of a name: FNV-1a, 32 bits, over its UTF-8 bytes.
 *
 * @example streamOf("layer1.0.conv1.weight")
 */
export function streamOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
