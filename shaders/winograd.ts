import { cover, type Kernel, type KernelContext, kernel } from "../src/kernel";
import { list } from "./lib/product";
import {
  filterTransform,
  gradientTransform,
  inputTransform,
  outputTransform,
  places,
  type Side,
  sideOf,
  weightTransform,
} from "./lib/winograd-transforms";
import { wgsl } from "./wgsl";

const notInFours = (of: 1 | 4, axis: string, size: number): string | undefined =>
  size % of === 0 ? undefined : `${axis} is ${size}, not a multiple of 4`;
const names = { 1: "scalar", 4: "vec4" } as const;
/** Of four channels the loads and stores of a large tile are more code than a software adapter's cache holds. */
const isSmall =
  (of: 1 | 4) =>
  ({ side }: { readonly side: number }, { adapterClass }: KernelContext) =>
    adapterClass === "gpu" || of === 1 || side === 2;

/** WGSL for each row and column of a square, row by row; `k` counts. */
const square = (side: number, text: (row: number, column: number, k: number) => string): string =>
  list(side * side, (k) => text(Math.floor(k / side), k % side, k));
/** Tiles along an axis of so many outputs. */
const tiles = (outputs: string, side: Side): string => `(${outputs} + ${side - 1}u) / ${side}u`;

/** One channel of one tile a thread, or four: as many values in as out. */
const input = (of: 1 | 4): Kernel =>
  kernel<"N H W C padH padW side">({
    name: names[of],
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["x", "y"] : [],
    rejects: ({ C }) => notInFours(of, "C", C),
    suits: isSmall(of),
    groups: ({ N, H, W, C, padH, padW, side }) => [
      cover((Math.ceil((W + 2 * padW - 2) / side) * C) / of, 64),
      Math.ceil((H + 2 * padH - 2) / side),
      N,
    ],
    body: (_, { attrs }) => {
      const side = sideOf(attrs.side);
      const n = places(side);
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  let across = ${tiles("(W + 2u * padW - 2u)", side)};
  let down = ${tiles("(H + 2u * padH - 2u)", side)};
  if (global.x >= across * channels) { return; }
  let tile = global.x / channels;
  let c = global.x - tile * channels;
  // Rows above the image wrap around to huge numbers, so one comparison tests both edges.
  let top = global.y * ${side}u - padH;
  let left = tile * ${side}u - padW;
${list(n, (s) => `  let inside${s} = left + ${s}u < W; let at${s} = min(left + ${s}u, W - 1u) * channels + c;`)}
${list(
  n,
  (r) => `  let live${r} = top + ${r}u < H;
  let row${r} = (global.z * H + min(top + ${r}u, H - 1u)) * W * channels;
${list(n, (s) => `  let d${r}_${s} = select(T(), T(x[row${r} + at${s}]), live${r} && inside${s});`)}`,
)}
${inputTransform(side, "d", "v")}
  let place = N * down * across * channels;
  let first = ((global.z * down + global.y) * across + tile) * channels + c;
${square(n, (i, j, k) => `  store_y(first + ${k}u * place, c, v${i}_${j});`)}
}`;
    },
  });

/** One pair of channels a thread; the gradient's weights are turned by half a turn and their channels exchanged. */
const weights: Kernel = kernel<"K C A B">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ K, C }) => [cover(K * C, 64), 1, 1],
  body: (_, { attrs }) => {
    const turned = attrs.turned === true;
    const side = sideOf(attrs.side);
    const tap = (r: number, s: number) => (turned ? (2 - r) * 3 + 2 - s : r * 3 + s);
    return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= A * B) { return; }
  let a = i / B;
  let b = i - a * B;
  let begin = ${turned ? "b * 9u * C + a" : "a * 9u * C + b"};
${square(3, (r, s) => `  let w${r}_${s} = f32(w[begin + ${tap(r, s)}u * C]);`)}
${weightTransform(side, "w", "u")}
${square(places(side), (i, j, k) => `  store_u(${k}u * A * B + i, b, u${i}_${j});`)}
}`;
  },
});

/** One channel of one tile of outputs a thread, or four channels. */
const outputTile = (of: 1 | 4, tensors: readonly string[], body: (side: Side) => string): Kernel =>
  kernel<"N P Q K side">({
    name: names[of],
    workgroup: [64, 1, 1],
    vec: of === 4 ? tensors : [],
    rejects: ({ K }) => notInFours(of, "K", K),
    suits: isSmall(of),
    groups: ({ N, P, Q, K, side }) => [cover((Math.ceil(Q / side) * K) / of, 64), Math.ceil(P / side), N],
    body: (_, { attrs }) => {
      const side = sideOf(attrs.side);
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = K / ${of}u;
  let across = ${tiles("Q", side)};
  let down = ${tiles("P", side)};
  if (global.x >= across * channels) { return; }
  let tile = global.x / channels;
  let k = global.x - tile * channels;
  let place = N * down * across * channels;
  let first = ((global.z * down + global.y) * across + tile) * channels + k;
  let p = global.y * ${side}u;
  let q = tile * ${side}u;
  let i = ((global.z * P + p) * Q + q) * channels + k;
${list(side, (s) => `  let row${s} = ${s}u * Q * channels; let below${s} = p + ${s}u < P; let beside${s} = q + ${s}u < Q;`)}
${body(side)}
}`;
    },
  });

/** Products in, outputs out. */
const output = (of: 1 | 4): Kernel =>
  outputTile(
    of,
    ["m", "y"],
    (side) => wgsl`
${square(places(side), (i, j, k) => `  let m${i}_${j} = T(m[first + ${k}u * place]);`)}
${outputTransform(side, "m", "y")}
${square(side, (r, s) => `  if (below${r} && beside${s}) { store_y(i + row${r} + ${s}u * channels, k, y${r}_${s}); }`)}`,
  );

/** The outputs' gradients in, those of the products out. */
const gradient = (of: 1 | 4): Kernel =>
  outputTile(
    of,
    ["dy", "e"],
    (side) => wgsl`
${square(
  side,
  (r, s) => `  let live${r}_${s} = below${r} && beside${s};
  let d${r}_${s} = select(T(), T(dy[select(0u, i + row${r} + ${s}u * channels, live${r}_${s})]), live${r}_${s});`,
)}
${gradientTransform(side, "d", "e")}
${square(places(side), (i, j, k) => `  store_e(first + ${k}u * place, k, e${i}_${j});`)}`,
  );

/** One channel of one filter a thread, or four: the slices' products added up, nine taps out. */
const filter = (of: 1 | 4): Kernel =>
  kernel<"Z K C side">({
    name: names[of],
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["m", "w"] : [],
    rejects: ({ C }) => notInFours(of, "C", C),
    groups: ({ K, C }) => [cover((K * C) / of, 64), 1, 1],
    body: (_, { attrs }) => {
      const side = sideOf(attrs.side);
      const n = places(side);
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  let place = K * channels;
  let i = global.x;
  if (i >= place) { return; }
${square(n, (r, s) => `  var m${r}_${s} = T();`)}
  for (var z = 0u; z < Z; z++) {
    let first = z * ${n * n}u * place + i;
${square(n, (r, s, k) => `    m${r}_${s} += m[first + ${k}u * place];`)}
  }
${filterTransform(side, "m", "g")}
  let c = i % channels;
  let begin = i / channels * 9u * channels + c;
${square(3, (r, s, k) => `  store_w(begin + ${k}u * channels, c, g${r}_${s});`)}
}`;
    },
  });

export const winogradInputKernels: readonly Kernel[] = [input(4), input(1)];
export const winogradWeightsKernels: readonly Kernel[] = [weights];
export const winogradOutputKernels: readonly Kernel[] = [output(4), output(1)];
export const winogradGradientKernels: readonly Kernel[] = [gradient(4), gradient(1)];
export const winogradFilterKernels: readonly Kernel[] = [filter(4), filter(1)];
