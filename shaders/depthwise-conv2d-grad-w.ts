import { cover, type Kernel, kernel, type Sizes } from "../src/kernel";
import { type Conv, constants, seen, shift, tileWidth, unrollable } from "./depthwise-conv2d";
import { list } from "./lib/product";
import { wgsl } from "./wgsl";

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

/** Output columns of a strip. With stride it is narrower: SwiftShader took minutes to compile a wide one. */
const stripWidth = tileWidth;

/**
 * Adds what a strip gives of four channels, down the output rows `begin` to `end` of image `n` and across those columns
 * from `q0` on, to w0, w1, …: every input and every dy is loaded about once for all weights.
 */
const addStrip = ({ R, S, strideH, strideW }: Sizes<"R S strideH strideW">): string => {
  const outputs = stripWidth(strideW);
  const columns = seen(outputs, S, strideW);
  const kept = Math.max(0, R - strideH);
  const ahead = Math.ceil(kept / strideH);
  const loadRow = (r: number) => `{
        let h = p * strideH + ${r}u - padH;
        let row = (n * H + min(h, H - 1u)) * W * channels;
${list(columns, (k) => `        x${r}_${k} = select(vec4f(), vec4f(x[row + at${k}]), h < H && inside${k});`)}
      }`;
  return wgsl`
    let left = q0 * strideW - padW;
${list(columns, (k) => `    let inside${k} = left + ${k}u < W; let at${k} = min(left + ${k}u, W - 1u) * channels + c;`)}
${list(outputs, (u) => `    let has${u} = q0 + ${u}u < Q; let out${u} = min(q0 + ${u}u, Q - 1u) * channels + c;`)}
${list(R, (r) => list(columns, (k) => `    var x${r}_${k} = vec4f();`))}
    for (var p = begin - ${ahead}u; p != end; p++) {
${list(R - kept, (r) => loadRow(kept + r))}
      if (p >= begin && p < end) {
      let out = (n * P + p) * Q * channels;
${list(outputs, (u) => `      let dy${u} = select(vec4f(), vec4f(dy[out + out${u}]), has${u});`)}
${list(R * S, (k) => {
  const terms = Array.from(
    { length: outputs },
    (_, u) => `dy${u} * x${Math.floor(k / S)}_${u * strideW + (k % S)}`,
  );
  return `      w${k} += ${terms.join(" + ")};`;
})}
      }
${shift("x", R, strideH, columns)}
    }`;
};

/** All weights of four channels over one band a thread, strip by strip. */
const partialStrips = kernel<`${Conv} J`>({
  name: "strips",
  workgroup: [16, 1, 1],
  vec: ["x", "dy", "parts"],
  constants,
  rejects: unrollable,
  groups: ({ N, C, J }) => [cover((J * C) / 4, 16), N, 1],
  body: (sizes) => {
    const weights = sizes.R * sizes.S;
    return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let band = global.x / channels;
  let c = global.x - band * channels;
  let n = global.y;
  if (band >= J) { return; }
  let begin = band * rows;
  let end = min(begin + rows, P);
${list(weights, (k) => `  var w${k} = vec4f();`)}
  for (var q0 = 0u; q0 < Q; q0 += ${stripWidth(sizes.strideW)}u) {
${addStrip(sizes)}
  }
  let i = (n * J + band) * R * S * channels + c;
${list(weights, (k) => `  store_parts(i + ${k}u * channels, c, w${k});`)}
}`;
  },
});

/** Fours of channels side by side in a workgroup: 128 bytes. */
const columns = 8;
/** Threads that share a band of those. */
const threads = 16;
/** Weights that are added up at a time, no more than threads: 10 KiB of workgroup memory. */
const together = 5;

/**
 * Adds what a strip of outputs in row `p` gives: a GPU has the inputs that rows share in its cache, and threads that keep no
 * rows leave room for more of them.
 */
const addOutputs = ({ R, S, strideW }: Sizes<"R S strideW">, outputs: number): string => {
  const columns = seen(outputs, S, strideW);
  const terms = (r: number, s: number) => list(outputs, (u) => `dy${u} * x${r}_${u * strideW + s}`, " + ");
  return wgsl`
    let left = q0 * strideW - padW;
    let out = (n * P + p) * Q * channels + c;
${list(outputs, (u) => `    let dy${u} = select(vec4f(), vec4f(dy[out + min(q0 + ${u}u, Q - 1u) * channels]), q0 + ${u}u < Q);`)}
${list(columns, (k) => `    let inside${k} = left + ${k}u < W; let at${k} = min(left + ${k}u, W - 1u) * channels + c;`)}
${list(
  R,
  (r) => `    let h${r} = p * strideH + ${r}u - padH;
    let row${r} = (n * H + min(h${r}, H - 1u)) * W * channels;
${list(columns, (k) => `    let x${r}_${k} = select(vec4f(), vec4f(x[row${r} + at${k}]), h${r} < H && inside${k});`)}
${list(S, (s) => `    w${r * S + s} += ${terms(r, s)};`)}`,
)}`;
};

/**
 * A workgroup shares a band: its threads take strips of it by turns and add up in workgroup memory, one thread a weight.
 */
const partialsShared = kernel<`${Conv} J`>({
  name: "shared",
  family: "gpu",
  workgroup: [columns * threads, 1, 1],
  vec: ["x", "dy", "parts"],
  constants,
  rejects: unrollable,
  groups: ({ N, C, J }) => [cover(C / 4, columns), J, N],
  body: (sizes) => {
    const weights = sizes.R * sizes.S;
    const outputs = stripWidth(sizes.strideW);
    const addUp = (first: number) => {
      const count = Math.min(together, weights - first);
      return `
  workgroupBarrier();
${list(count, (k) => `  scratch[${k * columns * threads}u + local.x] = w${first + k};`)}
  workgroupBarrier();
  if (row < ${count}u && own < channels) {
    var sum = vec4f();
    for (var t = 0u; t < ${threads}u; t++) { sum += scratch[(row * ${threads}u + t) * ${columns}u + column]; }
    store_parts(((n * J + group.y) * R * S + ${first}u + row) * channels + c, c, sum);
  }`;
    };
    return wgsl`
var<workgroup> scratch: array<vec4f, ${Math.min(together, weights) * columns * threads}>;
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let column = local.x % ${columns}u;
  let row = local.x / ${columns}u;
  let own = group.x * ${columns}u + column;
  // Those past the last channel follow it, and store nothing: barriers want all of them.
  let c = min(own, channels - 1u);
  let n = group.z;
  let top = group.y * rows;
  let bottom = min(top + rows, P);
  let strips = (Q + ${outputs - 1}u) / ${outputs}u;
${list(weights, (k) => `  var w${k} = vec4f();`)}
  for (var item = row; item < strips * (bottom - top); item += ${threads}u) {
    let q0 = item % strips * ${outputs}u;
    let p = top + item / strips;
${addOutputs(sizes, outputs)}
  }
${list(Math.ceil(weights / together), (k) => addUp(k * together))}
}`;
  },
});

export const depthwiseConv2dGradWPartialsKernels: readonly Kernel[] = [
  partialsShared,
  partialStrips,
  partialsDirect,
];
