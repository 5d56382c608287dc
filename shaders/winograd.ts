import { cover, type Kernel, kernel } from "../src/kernel";
import { list } from "./lib/product";
import { wgsl } from "./wgsl";

// F(2×2, 3×3) of Lavin & Gray 2015: two by two outputs from four by four inputs in 16 multiplications instead of 36.

/** A linear map from some named values to a few others, as a matrix. */
type Matrix = readonly (readonly number[])[];

/** Bᵀ: four inputs side by side. */
const inputTransform: Matrix = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, 1, 0, -1],
];
/** G: three taps. */
const weightTransform: Matrix = [
  [1, 0, 0],
  [0.5, 0.5, 0.5],
  [0.5, -0.5, 0.5],
  [0, 0, 1],
];
/** Aᵀ: four products. */
const outputTransform: Matrix = [
  [1, 1, 1, 0],
  [0, 1, -1, -1],
];

const transposed = (m: Matrix): Matrix => (m[0] ?? []).map((_, column) => m.map((row) => row[column] ?? 0));

/** Σ factor · name, factors of one, a half and zero spelled out: the halves together, which is exact. */
function combination(factors: readonly number[], name: (k: number) => string): string {
  const sum = (size: number) =>
    factors
      .flatMap((f, k) => (Math.abs(f) === size ? [`${f < 0 ? "-" : "+"} ${name(k)}`] : []))
      .join(" ")
      .replace(/^\+ /, "");
  const [whole, halves] = [sum(1), sum(0.5)];
  return [whole, halves && `(${halves}) * 0.5`].filter(Boolean).join(" + ");
}

/** From `x` row by row, m x mᵀ as the variables `y` row by row: first the columns, then the rows. */
function sandwich(m: Matrix, x: string, y: string): string {
  const size = m[0]?.length ?? 0;
  return `${list(size, (column) =>
    m
      .map((row, i) => `let ${y}half${i}_${column} = ${combination(row, (k) => `${x}${k}_${column}`)};`)
      .join("\n"),
  )}
${m
  .flatMap((_, i) =>
    m.map((row, j) => `let ${y}${i}_${j} = ${combination(row, (k) => `${y}half${i}_${k}`)};`),
  )
  .join("\n")}`;
}

const notInFours = (of: 1 | 4, axis: string, size: number): string | undefined =>
  size % of === 0 ? undefined : `${axis} is ${size}, not a multiple of 4`;
const names = { 1: "scalar", 4: "vec4" } as const;

/** One channel of one tile a thread, or four: 16 values in, 16 out. */
const input = (of: 1 | 4): Kernel =>
  kernel<"N H W C padH padW">({
    name: names[of],
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["x", "y"] : [],
    rejects: ({ C }) => notInFours(of, "C", C),
    groups: ({ N, H, W, C, padH, padW }) => [
      cover((Math.ceil((W + 2 * padW - 2) / 2) * C) / of, 64),
      Math.ceil((H + 2 * padH - 2) / 2),
      N,
    ],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  let across = (W + 2u * padW - 1u) / 2u;
  let down = (H + 2u * padH - 1u) / 2u;
  if (global.x >= across * channels) { return; }
  let tile = global.x / channels;
  let c = global.x - tile * channels;
  // Rows above the image wrap around to huge numbers, so one comparison tests both edges.
  let top = global.y * 2u - padH;
  let left = tile * 2u - padW;
${list(4, (s) => `  let inside${s} = left + ${s}u < W; let at${s} = min(left + ${s}u, W - 1u) * channels + c;`)}
${list(
  4,
  (r) => `  let live${r} = top + ${r}u < H;
  let row${r} = (global.z * H + min(top + ${r}u, H - 1u)) * W * channels;
${list(4, (s) => `  let d${r}_${s} = select(T(), T(x[row${r} + at${s}]), live${r} && inside${s});`)}`,
)}
${sandwich(inputTransform, "d", "v")}
  let place = N * down * across * channels;
  let first = ((global.z * down + global.y) * across + tile) * channels + c;
${list(16, (k) => `  store_y(first + ${k}u * place, c, v${Math.floor(k / 4)}_${k % 4});`)}
}`,
  });

/** One pair of channels a thread; the gradient's weights are turned by half a turn and their channels exchanged. */
const weights: Kernel = kernel<"K C A B">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ K, C }) => [cover(K * C, 64), 1, 1],
  body: (_, { attrs }) => {
    const turned = attrs.turned === true;
    const tap = (r: number, s: number) => (turned ? (2 - r) * 3 + 2 - s : r * 3 + s);
    return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= A * B) { return; }
  let a = i / B;
  let b = i - a * B;
  let begin = ${turned ? "b * 9u * C + a" : "a * 9u * C + b"};
${list(9, (k) => `  let w${Math.floor(k / 3)}_${k % 3} = f32(w[begin + ${tap(Math.floor(k / 3), k % 3)}u * C]);`)}
${sandwich(weightTransform, "w", "u")}
${list(16, (k) => `  store_u(${k}u * A * B + i, b, u${Math.floor(k / 4)}_${k % 4});`)}
}`;
  },
});

/** One channel of one tile of two by two outputs a thread, or four channels. */
const outputTile = (of: 1 | 4, tensors: readonly string[], body: string): Kernel =>
  kernel<"N P Q K">({
    name: names[of],
    workgroup: [64, 1, 1],
    vec: of === 4 ? tensors : [],
    rejects: ({ K }) => notInFours(of, "K", K),
    groups: ({ N, P, Q, K }) => [cover((Math.ceil(Q / 2) * K) / of, 64), Math.ceil(P / 2), N],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = K / ${of}u;
  let across = (Q + 1u) / 2u;
  let down = (P + 1u) / 2u;
  if (global.x >= across * channels) { return; }
  let tile = global.x / channels;
  let k = global.x - tile * channels;
  let place = N * down * across * channels;
  let first = ((global.z * down + global.y) * across + tile) * channels + k;
  let p = global.y * 2u;
  let q = tile * 2u;
  let below = p + 1u < P;
  let beside = q + 1u < Q;
  let i = ((global.z * P + p) * Q + q) * channels + k;
${body}
}`,
  });

/** 16 products in, two by two outputs. */
const output = (of: 1 | 4): Kernel =>
  outputTile(
    of,
    ["m", "y"],
    wgsl`
${list(16, (i) => `  let m${Math.floor(i / 4)}_${i % 4} = T(m[first + ${i}u * place]);`)}
${sandwich(outputTransform, "m", "y")}
  store_y(i, k, y0_0);
  if (beside) { store_y(i + channels, k, y0_1); }
  if (below) {
    store_y(i + Q * channels, k, y1_0);
    if (beside) { store_y(i + (Q + 1u) * channels, k, y1_1); }
  }`,
  );

/** Two by two gradients in, 16 values out. */
const gradient = (of: 1 | 4): Kernel =>
  outputTile(
    of,
    ["dy", "e"],
    wgsl`
  let d0_0 = T(dy[i]);
  let d0_1 = select(T(), T(dy[select(0u, i + channels, beside)]), beside);
  let d1_0 = select(T(), T(dy[select(0u, i + Q * channels, below)]), below);
  let d1_1 = select(T(), T(dy[select(0u, i + (Q + 1u) * channels, below && beside)]), below && beside);
${sandwich(transposed(outputTransform), "d", "e")}
${list(16, (i) => `  store_e(first + ${i}u * place, k, e${Math.floor(i / 4)}_${i % 4});`)}`,
  );

/** One channel of one filter a thread, or four: the slices' 16 products added up, nine taps out. */
const filter = (of: 1 | 4): Kernel =>
  kernel<"Z K C">({
    name: names[of],
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["m", "w"] : [],
    rejects: ({ C }) => notInFours(of, "C", C),
    groups: ({ K, C }) => [cover((K * C) / of, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  let place = K * channels;
  let i = global.x;
  if (i >= place) { return; }
${list(16, (k) => `  var m${Math.floor(k / 4)}_${k % 4} = T();`)}
  for (var z = 0u; z < Z; z++) {
    let first = z * 16u * place + i;
${list(16, (k) => `    m${Math.floor(k / 4)}_${k % 4} += m[first + ${k}u * place];`)}
  }
${sandwich(transposed(weightTransform), "m", "g")}
  let c = i % channels;
  let begin = i / channels * 9u * channels + c;
${list(9, (k) => `  store_w(begin + ${k}u * channels, c, g${Math.floor(k / 3)}_${k % 3});`)}
}`,
  });

export const winogradInputKernels: readonly Kernel[] = [input(4), input(1)];
export const winogradWeightsKernels: readonly Kernel[] = [weights];
export const winogradOutputKernels: readonly Kernel[] = [output(4), output(1)];
export const winogradGradientKernels: readonly Kernel[] = [gradient(4), gradient(1)];
export const winogradFilterKernels: readonly Kernel[] = [filter(4), filter(1)];
