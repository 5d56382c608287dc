import { cover, type Kernel, kernel, type Sizes } from "../src/kernel";
import { wgsl } from "./wgsl";

type Conv = "N H W C P Q R S strideH strideW padH padW dilationH dilationW";

/** One output a thread. */
const direct = kernel<Conv>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, P, Q, C }) => [cover(Q * C, 64), P, N],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= Q * C) { return; }
  let q = global.x / C;
  let c = global.x - q * C;
  var sum = 0.0;
  for (var r = 0u; r < R; r++) {
    // Rows above the image wrap around to huge numbers, so one comparison tests both edges.
    let h = global.y * strideH + r * dilationH - padH;
    if (h >= H) { continue; }
    for (var s = 0u; s < S; s++) {
      let col = q * strideW + s * dilationW - padW;
      if (col >= W) { continue; }
      sum += f32(x[((global.z * H + h) * W + col) * C + c]) * f32(w[(r * S + s) * C + c]);
    }
  }
  store_y((global.z * P + global.y) * Q * C + global.x, c, sum);
}`,
});

/** One input's gradient a thread: it gathers from every output whose window covers the input. */
const gradXDirect = kernel<Conv>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, H, W, C }) => [cover(W * C, 64), H, N],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= W * C) { return; }
  let col = global.x / C;
  let c = global.x - col * C;
  var sum = 0.0;
  for (var r = 0u; r < R; r++) {
    let top = global.y + padH - r * dilationH;
    let p = top / strideH;
    if (p >= P || p * strideH != top) { continue; }
    for (var s = 0u; s < S; s++) {
      let left = col + padW - s * dilationW;
      let q = left / strideW;
      if (q >= Q || q * strideW != left) { continue; }
      sum += f32(dy[((global.z * P + p) * Q + q) * C + c]) * f32(w[(r * S + s) * C + c]);
    }
  }
  store_dx((global.z * H + global.y) * W * C + global.x, c, sum);
}`,
});

/** One weight's sum over one band a thread. */
const partialsDirect = kernel<"N J R S C">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, J, R, S, C }) => [cover(R * S * C, 64), J, N],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= R * S * C) { return; }
  let c = global.x % C;
  let s = global.x / C % S;
  let r = global.x / (C * S);
  var sum = 0.0;
  for (var p = global.y * rows; p < min((global.y + 1u) * rows, P); p++) {
    let h = p * strideH + r * dilationH - padH;
    if (h >= H) { continue; }
    for (var q = 0u; q < Q; q++) {
      let col = q * strideW + s * dilationW - padW;
      if (col >= W) { continue; }
      sum += f32(x[((global.z * H + h) * W + col) * C + c]) * f32(dy[((global.z * P + p) * Q + q) * C + c]);
    }
  }
  store_parts((global.z * J + global.y) * R * S * C + global.x, c, sum);
}`,
});

/** One weight a thread. */
const sumDirect = kernel<"N J R S C">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ R, S, C }) => [cover(R * S * C, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  let weights = R * S * C;
  if (i >= weights) { return; }
  var sum = 0.0;
  for (var j = 0u; j < N * J; j++) { sum += parts[j * weights + i]; }
  store_dw(i, i % C, sum);
}`,
});

type Fixed = "C R S strideH strideW dilationH dilationW";
const constants = ["R", "S", "strideH", "strideW"];
const list = (n: number, item: (k: number) => string): string =>
  Array.from({ length: n }, (_, k) => item(k)).join("\n");

/** What the kernels below do not serve: they unroll the window over vectors of four channels. */
const unrollable = ({
  C,
  R,
  S,
  strideH,
  strideW,
  dilationH,
  dilationW,
}: Sizes<Fixed>): string | undefined => {
  if (C % 4 !== 0) return `C is ${C}, not a multiple of 4`;
  if (dilationH !== 1 || dilationW !== 1) return "the kernel is dilated";
  if (R * S > 9 || strideH > 2 || strideW > 2)
    return `a ${R}×${S} kernel with stride ${strideH}, ${strideW} is large`;
  return undefined;
};

/** Output columns of one thread. */
const strip = 4;

/**
 * Four channels of a strip of outputs a thread: an input is loaded once for all the outputs of the strip that see it.
 * Columns outside the image are loaded from its edge and replaced by zero, without a branch.
 */
const strips = kernel<Conv>({
  name: "strips",
  workgroup: [64, 1, 1],
  vec: ["x", "w", "y"],
  constants,
  rejects: unrollable,
  groups: ({ N, P, Q, C }) => [cover((Math.ceil(Q / strip) * C) / 4, 64), P, N],
  body: ({ S, strideW }) => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let first = global.x / channels;
  let c = global.x - first * channels;
  let q0 = first * ${strip}u;
  if (q0 >= Q) { return; }
  let left = q0 * strideW - padW;
${list(strip, (u) => `  var y${u} = vec4f();`)}
  for (var r = 0u; r < R; r++) {
    let h = global.y * strideH + r - padH;
    if (h >= H) { continue; }
    let row = (global.z * H + h) * W;
${list((strip - 1) * strideW + S, (k) => `    let x${k} = select(vec4f(), vec4f(x[(row + min(left + ${k}u, W - 1u)) * channels + c]), left + ${k}u < W);`)}
${list(
  S,
  (s) => `    let w${s} = vec4f(w[(r * S + ${s}u) * channels + c]);
${list(strip, (u) => `    y${u} += x${u * strideW + s} * w${s};`)}`,
)}
  }
  let i = ((global.z * P + global.y) * Q + q0) * channels + c;
${list(strip, (u) => `  if (q0 + ${u}u < Q) { store_y(i + ${u}u * channels, c, y${u}); }`)}
}`,
});

/**
 * Four channels of a tile of inputs a thread, stride rows high and a few strides wide, laid so that every output covers
 * it in the same way: which weight joins which output and input is then known here, whatever the stride.
 */
const tiles = kernel<Conv>({
  name: "tiles",
  workgroup: [64, 1, 1],
  vec: ["dy", "w", "dx"],
  constants,
  rejects: unrollable,
  groups: ({ N, H, W, C, strideH, strideW, padH, padW }) => [
    cover((Math.ceil((W + padW) / (tileWidth(strideW) * strideW)) * C) / 4, 64),
    Math.ceil((H + padH) / strideH),
    N,
  ],
  body: ({ R, S, strideH, strideW }) => {
    const across = tileWidth(strideW);
    const wide = across * strideW;
    const reach = Math.ceil(S / strideW);
    // Inputs (a, b) of the tile see output (t − i, f + v) through weight (a + i·strideH, b − v·strideW).
    const row = (i: number) => wgsl`
  {
    let p = global.y - ${i}u;
    let inside = p < P;
    let row = (global.z * P + min(p, P - 1u)) * Q;
${list(across + reach - 1, (k) => {
  const q = `q0 + ${k}u - ${reach - 1}u`;
  return `    let dy${k} = select(vec4f(), vec4f(dy[(row + min(${q}, Q - 1u)) * channels + c]), inside && ${q} < Q);`;
})}
${list(Math.min(strideH, R - i * strideH), (a) =>
  list(S, (s) => {
    const uses = Array.from({ length: across + reach - 1 }, (_, k) => ({
      k,
      b: s + (k - reach + 1) * strideW,
    }));
    return `    let w${a}_${s} = vec4f(w[${(a + i * strideH) * S + s}u * channels + c]);
${uses
  .filter(({ b }) => b >= 0 && b < wide)
  .map(({ k, b }) => `    dx${a}_${b} += dy${k} * w${a}_${s};`)
  .join("\n")}`;
  }),
)}
  }`;
    return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let first = global.x / channels;
  let c = global.x - first * channels;
  let q0 = first * ${across}u;
  let left = first * ${wide}u - padW;
  let top = global.y * strideH - padH;
  if (first * ${wide}u >= W + padW) { return; }
${list(strideH, (a) => list(wide, (b) => `  var dx${a}_${b} = vec4f();`))}
${list(Math.ceil(R / strideH), row)}
${list(
  strideH,
  (a) => `  if (top + ${a}u < H) {
    let i = ((global.z * H + top + ${a}u) * W + left) * channels + c;
${list(wide, (b) => `    if (left + ${b}u < W) { store_dx(i + ${b}u * channels, c, dx${a}_${b}); }`)}
  }`,
)}
}`;
  },
});

/** Strides that a tile is wide: about four columns. */
const tileWidth = (strideW: number): number => Math.max(1, Math.floor(strip / strideW));

/**
 * All weights of four channels over one band a thread; inputs are loaded once for a strip of outputs. With stride the
 * strip is narrower: SwiftShader took minutes to compile a wide one.
 */
const partialStrips = kernel<`${Conv} J`>({
  name: "strips",
  workgroup: [64, 1, 1],
  vec: ["x", "dy", "parts"],
  constants,
  rejects: unrollable,
  groups: ({ N, C, J }) => [cover((J * C) / 4, 64), N, 1],
  body: ({ R, S, strideW }) => {
    const strip = tileWidth(strideW);
    return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let band = global.x / channels;
  let c = global.x - band * channels;
  if (band >= J) { return; }
${list(R * S, (k) => `  var w${k} = vec4f();`)}
  for (var p = band * rows; p < min((band + 1u) * rows, P); p++) {
    let top = p * strideH - padH;
    for (var q0 = 0u; q0 < Q; q0 += ${strip}u) {
      let left = q0 * strideW - padW;
      let out = (global.y * P + p) * Q;
${list(strip, (u) => `      let dy${u} = select(vec4f(), vec4f(dy[(out + min(q0 + ${u}u, Q - 1u)) * channels + c]), q0 + ${u}u < Q);`)}
${list(
  R,
  (r) => `      {
        let inside = top + ${r}u < H;
        let row = (global.y * H + min(top + ${r}u, H - 1u)) * W;
${list((strip - 1) * strideW + S, (k) => `        let x${k} = select(vec4f(), vec4f(x[(row + min(left + ${k}u, W - 1u)) * channels + c]), inside && left + ${k}u < W);`)}
${list(S, (s) => `        w${r * S + s} += ${Array.from({ length: strip }, (_, u) => `dy${u} * x${u * strideW + s}`).join(" + ")};`)}
      }`,
)}
    }
  }
  let i = (global.y * J + band) * R * S * channels + c;
${list(R * S, (k) => `  store_parts(i + ${k}u * channels, c, w${k});`)}
}`;
  },
});

/** Four weights a thread. */
const sumVec4 = kernel<"N J R S C">({
  name: "vec4",
  workgroup: [64, 1, 1],
  vec: ["parts", "dw"],
  rejects: ({ C }) => (C % 4 === 0 ? undefined : `C is ${C}, not a multiple of 4`),
  groups: ({ R, S, C }) => [cover((R * S * C) / 4, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  let weights = R * S * C / 4u;
  if (i >= weights) { return; }
  var sum = vec4f();
  for (var j = 0u; j < N * J; j++) { sum += parts[j * weights + i]; }
  store_dw(i, i % (C / 4u), sum);
}`,
});

export const depthwiseConv2dKernels: readonly Kernel[] = [strips, direct];
export const depthwiseConv2dGradXKernels: readonly Kernel[] = [tiles, gradXDirect];
export const depthwiseConv2dGradWPartialsKernels: readonly Kernel[] = [partialStrips, partialsDirect];
export const depthwiseConv2dGradWSumKernels: readonly Kernel[] = [sumVec4, sumDirect];
