import { cover, type Kernel, kernel } from "../src/kernel";
import { type Factor, load, type Problem, slice } from "./lib/product";
import { sumsKernels } from "./lib/subgroup-panel";
import { subgroupKernels } from "./lib/subgroup-tile";
import { tiledKernels } from "./lib/workgroup-tile";
import { wgsl } from "./wgsl";

type Conv = "N H W C K R S P Q strideH strideW padH padW dilationH dilationW groups";

/** One output a thread, seven plain loops: accepts everything, and the one to read first. */
const direct = kernel<Conv>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, P, Q, K }) => [cover(N * P * Q * K, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * P * Q * K) { return; }
  let k = i % K;
  let q = i / K % Q;
  let p = i / (K * Q) % P;
  let n = i / (K * Q * P);
  let cg = C / groups;
  let first = k / (K / groups) * cg;
  var sum = 0.0;
  for (var r = 0u; r < R; r++) {
    // Rows above the image wrap around to huge numbers, so one comparison tests both edges.
    let h = p * strideH + r * dilationH - padH;
    if (h >= H) { continue; }
    for (var s = 0u; s < S; s++) {
      let col = q * strideW + s * dilationW - padW;
      if (col >= W) { continue; }
      let xi = ((n * H + h) * W + col) * C + first;
      let wi = ((k * R + r) * S + s) * cg;
      for (var c = 0u; c < cg; c++) { sum += f32(x[xi + c]) * f32(w[wi + c]); }
    }
  }
  store_y(i, k, sum);
}`,
});

/** One input's gradient a thread: it gathers from every output whose window covers the input. */
const gradXDirect = kernel<Conv>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, H, W, C }) => [cover(N * H * W * C, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * H * W * C) { return; }
  let c = i % C;
  let col = i / C % W;
  let h = i / (C * W) % H;
  let n = i / (C * W * H);
  let cg = C / groups;
  let kg = K / groups;
  let first = c / cg * kg;
  var sum = 0.0;
  for (var r = 0u; r < R; r++) {
    let top = h + padH - r * dilationH;
    let p = top / strideH;
    if (p >= P || p * strideH != top) { continue; }
    for (var s = 0u; s < S; s++) {
      let left = col + padW - s * dilationW;
      let q = left / strideW;
      if (q >= Q || q * strideW != left) { continue; }
      for (var k = first; k < first + kg; k++) {
        sum += f32(dy[((n * P + p) * Q + q) * K + k]) * f32(w[((k * R + r) * S + s) * cg + c % cg]);
      }
    }
  }
  store_dx(i, c, sum);
}`,
});

/** One weight of one slice a thread, a loop over the slice's positions in batch, height and width. */
const gradWSlicesDirect = kernel<`${Conv} Z`>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ K, R, S, C, groups, Z }) => [cover((K * R * S * C) / groups, 64), Z, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  let cg = C / groups;
  if (i >= K * R * S * cg) { return; }
  let c = i % cg;
  let s = i / cg % S;
  let r = i / (cg * S) % R;
  let k = i / (cg * S * R);
  let channel = k / (K / groups) * cg + c;
  ${slice("N * P * Q", "global.y")}
  var sum = 0.0;
  for (var m = begin; m < end; m++) {
    let h = m / Q % P * strideH + r * dilationH - padH;
    let col = m % Q * strideW + s * dilationW - padW;
    if (h >= H || col >= W) { continue; }
    sum += f32(x[((m / (P * Q) * H + h) * W + col) * C + channel]) * f32(dy[m * K + k]);
  }
  store_parts(global.y * K * R * S * cg + i, c, sum);
}`,
});

const notInFours = (C: number, K: number, groups: number): string | undefined => {
  if ((C / groups) % 4 !== 0) return `C is ${C} in ${groups} groups, not a multiple of 4 each`;
  return (K / groups) % 4 === 0 ? undefined : `K is ${K} in ${groups} groups, not a multiple of 4 each`;
};

/** Follows lines that are positions of images, by the names of their column, row and image, which counts in `by`. */
const walk = (
  [column, columns]: readonly [string, string],
  [row, rows]: readonly [string, string],
  by: string,
  line: string,
): NonNullable<Factor["walk"]> => ({
  first: (at) => `
  let firstColumn = ${at} % ${columns};
  let firstRow = ${at} / ${columns} % ${rows};
  let firstImage = ${at} / (${rows} * ${columns}) * ${by};`,
  start: `
  var ${column} = firstColumn;
  var ${row} = firstRow;
  var image = firstImage;`,
  line: `${line}
  let image0 = image;`,
  advance: `{
${column}++;
let rowEnds = ${column} == ${columns};
${column} = select(${column}, 0u, rowEnds);
${row} += select(0u, 1u, rowEnds);
let imageEnds = ${row} == ${rows};
${row} = select(${row}, 0u, imageEnds);
image += select(0u, ${by}, imageEnds);
}`,
});

/**
 * Forward: rows are output positions, columns output channels, steps the taps and channels of a window. A row of the
 * image is contiguous in (s, c), so without dilation and groups one inner loop runs over both, and one comparison with
 * the row's end tests the left and the right edge.
 */
const forward: Problem<Conv> = {
  product: (vec, read = load) => {
    const per = vec ? 4 : 1;
    return {
      setup: `
  let cAll = C / ${per}u;
  let cg = cAll / groups;
  let kg = K / groups;
  let merged = groups == 1u && dilationW == 1u;
  let taps = select(S, 1u, merged);
  let edge = W * cAll;`,
      rows: "N * P * Q",
      columns: "kg",
      a: {
        contiguous: "steps",
        line: (k, at) => `
  let at${k} = min(${at}, rows - 1u);
  let top${k} = at${k} / Q % P * strideH - padH;
  let side${k} = at${k} % Q * strideW - padW;
  let image${k} = at${k} / (P * Q) * H;`,
        // Rows outside the image begin far behind the edge.
        turn: (k) => `
  let h${k} = top${k} + r * dilationH;
  let row${k} = (image${k} + h${k}) * edge + group.z * cg;
  let begin${k} = select(0x80000000u, (side${k} + s * dilationW) * cAll, h${k} < H);`,
        walk: walk(
          ["q", "Q"],
          ["p", "P"],
          "H",
          `
  let top0 = p * strideH - padH;
  let side0 = q * strideW - padW;`,
        ),
        load: (k, step, live) =>
          read(
            per,
            "x",
            `row${k} + begin${k} + ${step}`,
            `(begin${k} + ${step} < edge${live === undefined ? "" : ` && ${live}`})`,
          ),
      },
      b: {
        contiguous: "steps",
        line: (k, at) => `let w${k} = (group.z * kg + min(${at}, kg - 1u)) * R * S * cg;`,
        load: (k, step, live) => read(per, "w", `w${k} + tap + ${step}`, live),
      },
      from: "0u",
      to: "select(cg, S * cg, merged)",
      loops: (inner) => `
for (var r = 0u; r < R; r++) {
for (var s = 0u; s < taps; s++) {
let tap = (r * S + s) * cg;
${inner}
}
}`,
      store: (row, column, value) => `
let k = group.z * (kg / ${per}u) + ${column};
store_y(${row} * (K / ${per}u) + k, k, ${value});`,
    };
  },
  extent: ({ N, P, Q, K, groups }) => [K / groups, N * P * Q, groups],
  length: ({ R, S, C, groups }) => (R * S * C) / groups,
  innerLength: ({ S, C, dilationW, groups }) => (groups === 1 && dilationW === 1 ? S * C : C / groups),
  tensors: ["x", "w", "y"],
  notInFours: ({ C, K, groups }) => notInFours(C, K, groups),
};

/**
 * Gradient of the input: rows are input positions, columns input channels, steps output channels. With a stride, the
 * inputs fall into classes by their remainders; those of one class meet the same taps, so each class is a dense product.
 */
const gradX: Problem<Conv> = {
  product: (vec, read = load) => {
    const per = vec ? 4 : 1;
    return {
      functions: `
/** The first tap that inputs of a remainder meet, and the distance to the next; the first is huge when there is none. */
fn tapsOf(remainder: u32, stride: u32, dilation: u32) -> vec2u {
  var first = 0u;
  while (first < stride && (remainder + first * (stride - dilation % stride)) % stride != 0u) { first++; }
  var step = 1u;
  while (step * dilation % stride != 0u) { step++; }
  return vec2u(select(first, 0xffffu, first == stride), step);
}`,
      setup: `
  let cg = C / groups / ${per}u;
  let kAll = K / ${per}u;
  let kg = kAll / groups;
  let g = group.z % groups;
  let firstCol = group.z / groups % strideW;
  let firstH = group.z / groups / strideW;
  if (firstH >= H || firstCol >= W) { return; }
  let hs = (H - firstH + strideH - 1u) / strideH;
  let cols = (W - firstCol + strideW - 1u) / strideW;
  let wStep = R * S * cg;
  let tapsH = tapsOf(firstH + padH, strideH, dilationH);
  let tapsW = tapsOf(firstCol + padW, strideW, dilationW);
  let upward = tapsH.y * dilationH / strideH;
  let leftward = tapsW.y * dilationW / strideW;
  // The output that the class's first input meets through its first tap; below zero with dilation, it wraps around.
  var down = u32((i32(firstH + padH) - i32(tapsH.x * dilationH)) / i32(strideH));
  let across0 = u32((i32(firstCol + padW) - i32(tapsW.x * dilationW)) / i32(strideW));`,
      rows: "N * hs * cols",
      columns: "C / groups",
      a: {
        contiguous: "steps",
        line: (k, at) => `
  let at${k} = min(${at}, rows - 1u);
  let h${k} = at${k} / cols % hs;
  let col${k} = at${k} % cols;
  let image${k} = at${k} / (cols * hs) * P;`,
        turn: (k) => `
  let p${k} = h${k} + down;
  let q${k} = col${k} + across;
  let inside${k} = p${k} < P && q${k} < Q;
  let begin${k} = ((image${k} + p${k}) * Q + q${k}) * kAll + g * kg;`,
        walk: walk(
          ["col", "cols"],
          ["h", "hs"],
          "P",
          `
  let col0 = col;
  let h0 = h;`,
        ),
        load: (k, step, live) =>
          read(
            per,
            "dy",
            `begin${k} + ${step}`,
            live === undefined ? `inside${k}` : `(inside${k} && ${live})`,
          ),
      },
      b: {
        contiguous: "lines",
        line: (k, at) => `let w${k} = min(${at}, cg - 1u);`,
        load: (k, step, live) => read(per, "w", `tap + ${step} * wStep + w${k}`, live),
      },
      from: "0u",
      to: "kg",
      loops: (inner) => `
for (var r = tapsH.x; r < R; r += tapsH.y) {
var across = across0;
for (var s = tapsW.x; s < S; s += tapsW.y) {
let tap = (g * (K / groups) * R * S + r * S + s) * cg;
${inner}
across -= leftward;
}
down -= upward;
}`,
      store: (row, column, value) => `
let h = ${row} / cols % hs * strideH + firstH;
let col = ${row} % cols * strideW + firstCol;
let c = g * cg + ${column};
store_dx(((${row} / (cols * hs) * H + h) * W + col) * (C / ${per}u) + c, c, ${value});`,
    };
  },
  extent: ({ N, H, W, C, strideH, strideW, groups }) => [
    C / groups,
    N * Math.ceil(H / strideH) * Math.ceil(W / strideW),
    groups * strideH * strideW,
  ],
  length: ({ R, S, K, strideH, strideW, groups }) => (R * S * K) / (groups * strideH * strideW),
  innerLength: ({ K, groups }) => K / groups,
  tensors: ["dy", "w", "dx"],
  notInFours: ({ C, K, groups }) => notInFours(C, K, groups),
};

/**
 * Gradient of the weights: rows are output channels, columns the taps and channels of a window, steps the positions of
 * one slice of the batch, whose row and column in the image are followed by additions.
 */
const gradWSlices: Problem<`${Conv} Z`> = {
  product: (vec, read = load) => {
    const per = vec ? 4 : 1;
    return {
      setup: `
  let cAll = C / ${per}u;
  let cg = cAll / groups;
  let kg = K / groups / ${per}u;
  let g = group.z % groups;
  let z = group.z / groups;
  let edge = W * cAll;
  let hop = strideW * cAll;
  let drop = strideH * edge;
  ${slice("N * P * Q", "z")}`,
      rows: "K / groups",
      columns: "R * S * (C / groups)",
      a: {
        contiguous: "lines",
        line: (k, at) => `let dy${k} = g * kg + min(${at}, kg - 1u);`,
        load: (k, step, live) => read(per, "dy", `${step} * (K / ${per}u) + dy${k}`, live),
      },
      b: {
        contiguous: "lines",
        line: (k, at) => `
  let at${k} = min(${at}, R * S * cg - 1u);
  let down${k} = at${k} / (S * cg) * dilationH - padH;
  let across${k} = (at${k} / cg % S * dilationW - padW) * cAll;
  let begin${k} = down${k} * edge + at${k} % cg + g * cg;`,
        load: (k, _, live) =>
          read(
            per,
            "x",
            `image + p * drop + begin${k} + q * hop + across${k}`,
            `(q * hop + across${k} < edge && p * strideH + down${k} < H${live === undefined ? "" : ` && ${live}`})`,
          ),
        position: {
          start: (step, by) => `
  let start = ${step};
  var q = start % Q;
  var p = start / Q % P;
  var image = start / (P * Q) * H * edge;
  let right = ${by}u % Q;
  let lower = ${by}u / Q % P;
  let later = ${by}u / (P * Q) * H * edge;`,
          // Without a branch: the lanes of a subgroup move together, and the loads are on their way while others multiply.
          advance: `{
q += right;
let rowEnds = q >= Q;
q = select(q, q - Q, rowEnds);
p += lower + select(0u, 1u, rowEnds);
let imageEnds = p >= P;
p = select(p, p - P, imageEnds);
image += later + select(0u, H * edge, imageEnds);
}`,
        },
      },
      from: "begin",
      to: "end",
      store: (row, column, value) => `
store_parts(((z * groups + g) * (K / groups) + ${row}) * (R * S * cg) + ${column}, (${column}) % cg, ${value});`,
    };
  },
  extent: ({ R, S, C, K, groups, Z }) => [(R * S * C) / groups, K / groups, groups * Z],
  length: ({ N, P, Q, Z }) => (N * P * Q) / Z,
  tensors: ["dy", "x", "parts"],
  notInFours: ({ C, K, groups }) => notInFours(C, K, groups),
};

// Forward and gradient of the input are short sums at times: two rows a turn of the storing loop.
export const conv2dKernels: readonly Kernel[] = [
  ...sumsKernels(forward),
  ...subgroupKernels(forward, 2),
  ...tiledKernels(forward),
  direct,
];
export const conv2dGradXKernels: readonly Kernel[] = [
  ...sumsKernels(gradX),
  ...subgroupKernels(gradX, 2),
  ...tiledKernels(gradX),
  gradXDirect,
];
export const conv2dGradWSlicesKernels: readonly Kernel[] = [
  ...subgroupKernels(gradWSlices, 1),
  ...tiledKernels(gradWSlices),
  gradWSlicesDirect,
];
