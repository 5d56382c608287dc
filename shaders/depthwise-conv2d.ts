import { cover, type Kernel, type KernelContext, kernel, type Sizes } from "../src/kernel";
import { list, load, loadTexel } from "./lib/product";
import { textured } from "./lib/textured";
import { wgsl } from "./wgsl";

export type Conv = "N H W C P Q R S strideH strideW padH padW dilationH dilationW";

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

type Fixed = "C R S strideH strideW dilationH dilationW";
export const constants = ["R", "S", "strideH", "strideW"];

/** What the kernels below do not serve: they unroll the window over vectors of four channels. */
export const unrollable = ({
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
 * Rows that a thread walks down, so that a row of the input which several windows share is loaded once. A software
 * adapter pays for every load and has few cores; a GPU has caches, and wants threads.
 */
const bandRows = ({ adapterClass }: KernelContext): number => (adapterClass === "software" ? 16 : 4);

/** Columns of the input that a strip of outputs sees. */
export const seen = (outputs: number, S: number, strideW: number): number => (outputs - 1) * strideW + S;

/** Moves what the next position of a walk needs again: row r becomes what row r + by was. */
export const shift = (name: string, rows: number, by: number, columns: number): string =>
  list(Math.max(0, rows - by), (r) => list(columns, (k) => `${name}${r}_${k} = ${name}${r + by}_${k};`));

/**
 * Four channels of a strip of outputs a thread, row after row down a band: weights are loaded once a band, and every
 * input once for all the outputs of the strip that see it. What lies outside the image is loaded from its edge and
 * replaced by zero, without a branch.
 */
const strips = (isTextured: boolean) =>
  kernel<Conv>({
    name: isTextured ? "stripsTextures" : "strips",
    workgroup: [64, 1, 1],
    vec: ["x", "w", "y"],
    constants,
    rejects: unrollable,
    ...(isTextured ? textured<Conv>("x", ({ N, H, W, C }) => N * H * W * C) : {}),
    groups: ({ N, P, Q, C }, context) => [
      cover((Math.ceil(Q / strip) * C) / 4, 64),
      cover(P, bandRows(context)),
      N,
    ],
    body: ({ R, S, strideH, strideW }, context) => {
      const columns = seen(strip, S, strideW);
      const kept = Math.max(0, R - strideH);
      const ahead = Math.ceil(kept / strideH);
      const read = isTextured ? loadTexel : load;
      const loadRow = (r: number) => `{
      let h = p * strideH + ${r}u - padH;
      let row = (global.z * H + min(h, H - 1u)) * W * channels;
${list(columns, (k) => `      x${r}_${k} = select(vec4f(), ${read(4, "x", `row + at${k}`)}, h < H && inside${k});`)}
    }`;
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let first = global.x / channels;
  let c = global.x - first * channels;
  let q0 = first * ${strip}u;
  if (q0 >= Q) { return; }
  let left = q0 * strideW - padW;
${list(columns, (k) => `  let inside${k} = left + ${k}u < W; let at${k} = min(left + ${k}u, W - 1u) * channels + c;`)}
${list(R * S, (k) => `  let w${k} = vec4f(w[${k}u * channels + c]);`)}
${list(R, (r) => list(columns, (k) => `  var x${r}_${k} = vec4f();`))}
  let begin = global.y * ${bandRows(context)}u;
  let end = min(begin + ${bandRows(context)}u, P);
  // The first turns, before the band, only load what its first windows share with those above.
  for (var p = begin - ${ahead}u; p != end; p++) {
${list(R - kept, (r) => loadRow(kept + r))}
    if (p >= begin && p < end) {
    let i = ((global.z * P + p) * Q + q0) * channels + c;
${list(strip, (u) => {
  const terms = Array.from(
    { length: R * S },
    (_, k) => `x${Math.floor(k / S)}_${u * strideW + (k % S)} * w${k}`,
  );
  return `    if (q0 + ${u}u < Q) { store_y(i + ${u}u * channels, c, ${terms.join(" + ")}); }`;
})}
    }
${shift("x", R, strideH, columns)}
  }
}`;
    },
  });

/**
 * Four channels of a tile of inputs a thread, stride rows high and a few strides wide, row after row of tiles down a
 * band. Tiles are laid so that every output covers them in the same way: which weight joins which output and input is
 * then known here, whatever the stride.
 */
const tiles = (isTextured: boolean) =>
  kernel<Conv>({
    name: isTextured ? "tilesTextures" : "tiles",
    workgroup: [64, 1, 1],
    vec: ["dy", "w", "dx"],
    constants,
    rejects: unrollable,
    ...(isTextured ? textured<Conv>("dy", ({ N, P, Q, C }) => N * P * Q * C) : {}),
    groups: ({ N, H, W, C, strideH, strideW, padH, padW }, context) => [
      cover((Math.ceil((W + padW) / (tileWidth(strideW) * strideW)) * C) / 4, 64),
      cover(Math.ceil((H + padH) / strideH), bandRows(context)),
      N,
    ],
    body: ({ R, S, strideH, strideW }, context) => {
      const across = tileWidth(strideW);
      const wide = across * strideW;
      const reach = Math.ceil(S / strideW);
      const depth = Math.ceil(R / strideH);
      const columns = across + reach - 1;
      const read = isTextured ? loadTexel : load;
      // Row i of those loaded is output row t − (depth − 1) + i, so that the newest is the last.
      const loadRow = (i: number) => `{
      let p = t + ${i}u - ${depth - 1}u;
      let row = (global.z * P + min(p, P - 1u)) * Q * channels;
${list(columns, (k) => `      dy${i}_${k} = select(vec4f(), ${read(4, "dy", `row + at${k}`)}, p < P && inside${k});`)}
    }`;
      // Inputs (a, b) of tile row t see output (t − i, f + v) through weight (a + i·strideH, b − v·strideW).
      const input = (a: number, b: number): string => {
        const terms: string[] = [];
        for (let i = 0; a + i * strideH < R; i++)
          for (let s = b % strideW; s < S; s += strideW) {
            const k = (b - s) / strideW + reach - 1;
            if (k >= 0 && k < columns) terms.push(`dy${depth - 1 - i}_${k} * w${(a + i * strideH) * S + s}`);
          }
        return terms.length === 0 ? "vec4f()" : terms.join(" + ");
      };
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let first = global.x / channels;
  let c = global.x - first * channels;
  let q0 = first * ${across}u;
  let left = first * ${wide}u - padW;
  if (first * ${wide}u >= W + padW) { return; }
${list(columns, (k) => `  let q${k}_ = q0 + ${k}u - ${reach - 1}u; let inside${k} = q${k}_ < Q; let at${k} = min(q${k}_, Q - 1u) * channels + c;`)}
${list(R * S, (k) => `  let w${k} = vec4f(w[${k}u * channels + c]);`)}
${list(depth, (i) => list(columns, (k) => `  var dy${i}_${k} = vec4f();`))}
  let begin = global.y * ${bandRows(context)}u;
  let end = min(begin + ${bandRows(context)}u, (H + padH + strideH - 1u) / strideH);
  for (var t = begin - ${depth - 1}u; t != end; t++) {
${loadRow(depth - 1)}
    if (t >= begin && t < end) {
    let top = t * strideH - padH;
${list(
  strideH,
  (a) => `    if (top + ${a}u < H) {
      let i = ((global.z * H + top + ${a}u) * W + left) * channels + c;
${list(wide, (b) => `      if (left + ${b}u < W) { store_dx(i + ${b}u * channels, c, ${input(a, b)}); }`)}
    }`,
)}
    }
${shift("dy", depth, 1, columns)}
  }
}`;
    },
  });

/** Strides that a tile is wide: about four columns. */
export const tileWidth = (strideW: number): number => Math.max(1, Math.floor(strip / strideW));

export const depthwiseConv2dKernels: readonly Kernel[] = [strips(true), strips(false), direct];
export const depthwiseConv2dGradXKernels: readonly Kernel[] = [tiles(true), tiles(false), gradXDirect];
