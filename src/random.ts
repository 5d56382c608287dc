/**
 * Randomness is a counter: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11).
 * A value is a function of (seed, stream, index) and of nothing else, so runs repeat, resumed runs continue
 * bit for bit, and the GPU (shaders/lib/philox.ts) draws the same numbers as the host.
 */

export type PhiloxCounter = readonly [number, number, number, number];
export type PhiloxKey = readonly [number, number];

// The multipliers as 16-bit halves: JavaScript has no 32×32 -> 64-bit product of integers.
const M0 = 0xd2511f53 | 0;
const M0_LOW = 0x1f53;
const M0_HIGH = 0xd251;
const M1 = 0xcd9e8d57 | 0;
const M1_LOW = 0x8d57;
const M1_HIGH = 0xcd9e;
const WEYL0 = 0x9e3779b9 | 0;
const WEYL1 = 0xbb67ae85 | 0;

const TWO_24 = 2 ** -24;
const CHUNK = 4096; // words drawn at a time: small enough for the cache

/** One block into `out[at .. at + 3]`; everything stays in int32 so that nothing is allocated. */
function block(
  out: Uint32Array,
  at: number,
  counter0: number,
  counter1: number,
  counter2: number,
  counter3: number,
  key0: number,
  key1: number,
): void {
  let c0 = counter0 | 0;
  let c1 = counter1 | 0;
  let c2 = counter2 | 0;
  let c3 = counter3 | 0;
  let k0 = key0 | 0;
  let k1 = key1 | 0;
  for (let round = 0; round < 10; round++) {
    // mulhi by halves; no partial sum below passes 2^32.
    const low0 = c0 & 0xffff;
    const high0 = c0 >>> 16;
    const mid0 = (Math.imul(high0, M0_LOW) + (Math.imul(low0, M0_LOW) >>> 16)) | 0;
    const cross0 = (Math.imul(low0, M0_HIGH) + (mid0 & 0xffff)) | 0;
    const hi0 = (Math.imul(high0, M0_HIGH) + (mid0 >>> 16) + (cross0 >>> 16)) | 0;

    const low1 = c2 & 0xffff;
    const high1 = c2 >>> 16;
    const mid1 = (Math.imul(high1, M1_LOW) + (Math.imul(low1, M1_LOW) >>> 16)) | 0;
    const cross1 = (Math.imul(low1, M1_HIGH) + (mid1 & 0xffff)) | 0;
    const hi1 = (Math.imul(high1, M1_HIGH) + (mid1 >>> 16) + (cross1 >>> 16)) | 0;

    const next3 = Math.imul(c0, M0);
    const next1 = Math.imul(c2, M1);
    c0 = hi1 ^ c1 ^ k0;
    c2 = hi0 ^ c3 ^ k1;
    c1 = next1;
    c3 = next3;
    k0 = (k0 + WEYL0) | 0;
    k1 = (k1 + WEYL1) | 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/**
 * Philox 4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
 *
 * @example philox4x32([0, 0, 0, 0], [0, 0]) // [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]
 */
export function philox4x32(counter: PhiloxCounter, key: PhiloxKey): [number, number, number, number] {
  const out = new Uint32Array(4);
  block(out, 0, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
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
    for (let at = 0; at < size; at += 4) block(words, at, (first + at) / 4, 0, stream, 0, key0, key1);
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
 * `count` standard normal numbers (Box–Muller): elements 2j and 2j + 1 are the cosine and the sine branch of
 * words 2j and 2j + 1 of the stream.
 *
 * @example normals(1, streamOf("fc.weight"), 512).map((z) => 0.01 * z)
 */
export function normals(seed: number, stream: number, count: number): Float32Array<ArrayBuffer> {
  const out = new Float32Array(count);
  eachChunk(seed, stream, count, (words, first, size) => {
    for (let i = 0; i < size; i += 2) {
      const radius = radiusOf(words[i] ?? 0);
      const angle = angleOf(words[i + 1] ?? 0);
      out[first + i] = radius * Math.cos(angle);
      if (i + 1 < size) out[first + i + 1] = radius * Math.sin(angle); // a write past the end would be dropped
    }
  });
  return out;
}

// (0, 1], never 0, under the logarithm.
const radiusOf = (word: number): number => Math.sqrt(-2 * Math.log(((word >>> 8) + 1) * TWO_24));
const angleOf = (word: number): number => 2 * Math.PI * ((word >>> 8) * TWO_24);

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
  if (!(limit >= 0.01))
    throw new RangeError(`truncatedNormals: limit is ${limit} standard deviations; give at least 0.01`);
  const out = normals(seed, stream, count);
  const [key0, key1] = keyOf(seed);
  const words = new Uint32Array(4);
  for (let i = 0; i < count; i++) {
    let z = out[i] ?? 0;
    for (let attempt = 0; Math.abs(z) > limit; attempt++) {
      block(words, 0, i, attempt, stream, 1, key0, key1);
      z = Math.fround(radiusOf(words[0] ?? 0) * Math.cos(angleOf(words[1] ?? 0)));
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
  const [key0, key1] = keyOf(seed);
  checkStream(stream);
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  const words = new Uint32Array(4);
  let drawn = 0;
  const below = (bound: number): number => {
    const refused = 2 ** 32 % bound;
    for (;;) {
      if (drawn % 4 === 0) block(words, 0, drawn / 4, 0, stream, 0, key0, key1);
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
