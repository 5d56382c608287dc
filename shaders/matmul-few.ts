import { cover, type Kernel, type KernelContext, kernel, type Sizes } from "../src/kernel";
import { list } from "./lib/product";
import { choose } from "./lib/subgroup-tile";
import { wgsl } from "./wgsl";

// Products one of whose three sides is short: a linear layer of a small batch. Nothing of them is used twice but the few
// rows, so what counts is to read, or write, the large matrix once and in the order in which it lies in memory.

type Axes = "M" | "N" | "K";
type Product = Sizes<"M N K">;

/** The short side at most: its accumulators have to fit registers. */
const few = 4;

/** On a GPU a thread that runs down all rows of the large matrix by itself takes three times as long as a tile. */
const software = (_: Product, { adapterClass }: KernelContext): boolean => adapterClass === "software";
const lanesOf = ({ adapterClass, subgroupSize = 8 }: KernelContext): number =>
  adapterClass === "software" ? subgroupSize : 64;

/** Why a product is not for these kernels: `short` is not, or `fours` are not a multiple of four. */
const refuses =
  (short: Axes, fours: Axes) =>
  (sizes: Product): string | undefined => {
    if (sizes[short] > few) return `${short} is ${sizes[short]}, more than ${few}`;
    return sizes[fours] % 4 === 0 ? undefined : `${fours} is ${sizes[fours]}, not a multiple of 4`;
  };

/** Rows of the large matrix that a workgroup reads at a time. */
const lines = 8;

/**
 * y = a·bᵀ of few rows, or of few columns: a workgroup runs along a few rows of the large matrix together, the lanes side
 * by side, and adds up in the end.
 */
const dots = (name: string, short: "M" | "N"): Kernel => {
  const [large, small, long] = short === "M" ? (["b", "a", "N"] as const) : (["a", "b", "M"] as const);
  return kernel<"M N K">({
    name,
    workgroup: (context) => [lanesOf(context), 1, 1],
    vec: ["a", "b"],
    constants: [short],
    rejects: refuses(short, "K"),
    groups: (sizes) => [cover(sizes[long], lines), 1, 1],
    body: (sizes, context) => {
      const count = sizes[short];
      const lanes = lanesOf(context);
      const each = (text: (f: number, j: number) => string) =>
        list(count, (f) => list(lines, (j) => text(f, j)));
      return wgsl`
var<workgroup> parts: array<f32, ${count * lines * lanes}>;
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let steps = K / 4u;
  let first = group.x * ${lines}u;
${list(lines, (j) => `  let line${j} = min(first + ${j}u, ${long} - 1u) * steps;`)}
${each((f, j) => `  var sum${f}_${j} = vec4f();`)}
  for (var t = local.x; t < steps; t += ${lanes}u) {
${list(count, (f) => `    let x${f} = vec4f(${small}[${f}u * steps + t]);`)}
${list(
  lines,
  (j) => `    let w${j} = vec4f(${large}[line${j} + t]);
${list(count, (f) => `    sum${f}_${j} += x${f} * w${j};`)}`,
)}
  }
${each((f, j) => `  parts[${(f * lines + j) * lanes}u + local.x] = dot(sum${f}_${j}, vec4f(1.0));`)}
  workgroupBarrier();
  for (var i = local.x; i < ${count * lines}u; i += ${lanes}u) {
    let f = i / ${lines}u;
    let at = first + i % ${lines}u;
    if (at < ${long}) {
      var sum = 0.0;
      for (var lane = 0u; lane < ${lanes}u; lane++) { sum += parts[i * ${lanes}u + lane]; }
      ${short === "M" ? "store_y(f * N + at, at, sum);" : "store_y(at * N + f, f, sum);"}
    }
  }
}`;
    },
  });
};

/** Fours of columns of one thread, `lanes` apart. */
const foursOf = ({ adapterClass }: KernelContext): number => (adapterClass === "software" ? 4 : 1);

/** The fours of columns of a thread: `four0` … and, where they are past the last, the last instead. */
const columns = (context: KernelContext): string => `
  let across = N / 4u;
  let four = group.x * ${foursOf(context) * lanesOf(context)}u + local.x;
  if (four >= across) { return; }
${list(foursOf(context), (j) => `  let four${j} = min(four + ${j * lanesOf(context)}u, across - 1u);`)}`;

/** Stores `names(m, j)` for every four of columns, in a loop: what is fused behind a store is long, and compiled each time. */
const storeFours = (
  context: KernelContext,
  rows: readonly string[],
  name: (m: number, j: number) => string,
): string => `
for (var j = 0u; j < ${foursOf(context)}u; j++) {
  let at = four + j * ${lanesOf(context)}u;
  if (at < across) {
${rows
  .map((row, m) => {
    const names = Array.from({ length: foursOf(context) }, (_, j) => name(m, j));
    return `    { let v = ${choose(names, "j")}; store_y(${row} * across + at, at, v); }`;
  })
  .join("\n")}
  }
}`;

/** y = a·b of few rows; `a` is the index of the left factor. */
const fewRows = (a: string): Kernel =>
  kernel<"M N K">({
    name: "fewRows",
    workgroup: (context) => [lanesOf(context), 1, 1],
    vec: ["b", "y"],
    constants: ["M"],
    rejects: refuses("M", "N"),
    suits: software,
    groups: ({ N }, context) => [cover(N / 4, lanesOf(context) * foursOf(context)), 1, 1],
    body: ({ M }, context) => {
      const fours = foursOf(context);
      const rows = Array.from({ length: M }, (_, m) => `${m}u`);
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
${columns(context)}
${list(M, (m) => list(fours, (j) => `  var sum${m}_${j} = vec4f();`))}
  for (var k = 0u; k < K; k++) {
${list(M, (m) => `    let a${m} = f32(a[${a.replaceAll("m", `${m}u`)}]);`)}
${list(
  fours,
  (j) => `    let b${j} = vec4f(b[k * across + four${j}]);
${list(M, (m) => `    sum${m}_${j} += a${m} * b${j};`)}`,
)}
  }
${storeFours(context, rows, (m, j) => `sum${m}_${j}`)}
}`;
    },
  });

/** Rows of the result that a workgroup writes. */
const band = 16;

/** y = a·b of few steps, an outer product: the few rows of b stay in registers while the rows of y are written. */
const fewSteps = (a: string): Kernel =>
  kernel<"M N K">({
    name: "fewSteps",
    workgroup: (context) => [lanesOf(context), 1, 1],
    vec: ["b", "y"],
    constants: ["K"],
    rejects: refuses("K", "N"),
    groups: ({ M, N }, context) => [cover(N / 4, lanesOf(context) * foursOf(context)), cover(M, band), 1],
    body: ({ K }, context) => {
      const fours = foursOf(context);
      const sum = (j: number) => Array.from({ length: K }, (_, k) => `a${k} * b${k}_${j}`).join(" + ");
      return wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
${columns(context)}
${list(K, (k) => list(fours, (j) => `  let b${k}_${j} = vec4f(b[${k}u * across + four${j}]);`))}
  for (var m = group.y * ${band}u; m < min(group.y * ${band}u + ${band}u, M); m++) {
${list(K, (k) => `    let a${k} = f32(a[${a.replaceAll("k", `${k}u`)}]);`)}
${list(fours, (j) => `    let y${j} = ${sum(j)};`)}
${storeFours(context, ["m"], (_, j) => `y${j}`)}
  }
}`;
    },
  });

export const fewMatmulKernels: readonly Kernel[] = [fewRows("m * K + k"), fewSteps("m * K + k")];
export const fewMatmulNTKernels: readonly Kernel[] = [dots("fewRows", "M"), dots("fewColumns", "N")];
export const fewMatmulTNKernels: readonly Kernel[] = [fewRows("k * M + m"), fewSteps("k * M + m")];
