import { cover, type Kernel, kernel } from "../../src/kernel";
import { type Factor, list, type Problem, type Product, storeFour } from "./product";

// For GPUs: a workgroup loads pieces of both factors into its own memory once, and every thread takes what it needs from
// there.

/** Rows and columns of a tile, and the steps between two barriers. */
const tileRows = 64;
const tileColumns = 64;
const steps = 16;
/** Rows and columns of one thread, in two fours each, half a tile apart. */
const own = 8;
const threads = (tileRows / own) * (tileColumns / own);

/**
 * A tile of a product by one workgroup, 8 × 8 results a thread in named registers. Its pieces lie in workgroup memory
 * step by step, so that a thread reads its rows and columns as two vec4 each.
 */
function workgroupTile(product: Product, vec: boolean): string {
  const { a, b, from, to } = product;
  /** Steps that one unit of the loop's counter stands for. */
  const unit = vec && a.contiguous === "steps" ? 4 : 1;
  const left = piece("tileA", tileRows, "first", a, vec, unit, product);
  const right = piece("tileB", tileColumns, "firstColumn", b, vec, unit, product);
  const loop = `
${left.turn}
${right.turn}
for (var t0 = ${from}; t0 < ${to}; t0 += ${steps / unit}u) {
${left.fill}
${right.fill}
workgroupBarrier();
for (var s = 0u; s < ${steps}u; s++) {
let r0 = tileA[s * ${tileRows / 4}u + ty]; let r1 = tileA[s * ${tileRows / 4}u + ${tileRows / 8}u + ty];
let c0 = tileB[s * ${tileColumns / 4}u + tx]; let c1 = tileB[s * ${tileColumns / 4}u + ${tileColumns / 8}u + tx];
${list(own, (r) => {
  const value = `vec4f(r${r >> 2}.${"xyzw"[r % 4]})`;
  return `y${r} = fma(${value}, c0, y${r}); z${r} = fma(${value}, c1, z${r});`;
})}
}
workgroupBarrier();
}`;
  const results = list(own, (r) => {
    const row = `(first + ${r < 4 ? 0 : tileRows / 2}u + ty * 4u + ${r % 4}u)`;
    return `if (${row} < rows) {
${storeFour(product, vec, row, "four", `y${r}`)}
${storeFour(product, vec, row, `(four + ${tileColumns / 8}u)`, `z${r}`)}
}`;
  });
  return `
var<workgroup> tileA: array<vec4f, ${(tileRows * steps) / 4}>;
var<workgroup> tileB: array<vec4f, ${(tileColumns * steps) / 4}>;
${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let id = local.x;
  let tx = id % ${tileColumns / own}u;
  let ty = id / ${tileColumns / own}u;
${product.setup}
  let rows = ${product.rows};
  let columns = ${product.columns};
  let first = group.y * ${tileRows}u;
  let firstColumn = group.x * ${tileColumns}u;
  let four = firstColumn / 4u + tx;
  if (first >= rows) { return; }
${left.declare}
${right.declare}
${list(own, (r) => `  var y${r} = vec4f(); var z${r} = vec4f();`)}
${product.loops === undefined ? loop : product.loops(loop)}
${results}
}`;
}

/** How the workgroup fetches a piece of a factor: `lines` lines from `origin`, the 16 steps from `t0`. */
function piece(
  tile: string,
  lines: number,
  origin: string,
  factor: Factor,
  vec: boolean,
  unit: number,
  { from, to }: Product,
) {
  const put = (step: string, line: string, value: string) =>
    `${tile}[(${step}) * ${lines / 4}u + (${line}) / 4u][(${line}) % 4u] = ${value};`;
  if (vec && factor.contiguous === "steps") {
    // Four threads a line, each with four steps; they are turned into four places, step by step.
    const each = (lines * steps) / 4 / threads;
    const at = (k: number) => `id / 4u + ${(k * threads) / 4}u`;
    return {
      declare: list(each, (k) => factor.line(k, `${origin} + ${at(k)}`)),
      turn: list(each, (k) => factor.turn?.(k) ?? ""),
      fill: `{
let t = t0 + id % 4u;
let live = t < ${to};
${list(
  each,
  (k) => `{
let v = ${factor.load(k, "t", "live")};
${list(4, (e) => put(`id % 4u * 4u + ${e}u`, at(k), `v.${"xyzw"[e]}`))}
}`,
)}
}`,
    };
  }
  // A line (or four side by side) a thread, and every so many steps.
  const across = vec ? lines / 4 : lines;
  const stride = threads / across;
  const end = unit === 1 ? to : `(${to}) * ${unit}u`;
  return {
    declare: `${factor.line(0, `${vec ? `${origin} / 4u` : origin} + id % ${across}u`)}
${factor.position?.start(`${from} + id / ${across}u`) ?? ""}`,
    turn: factor.turn?.(0) ?? "",
    fill: `for (var s = id / ${across}u; s < ${steps}u; s += ${stride}u) {
let t = t0 * ${unit}u + s;
let live = t < ${end};
${
  vec
    ? `${tile}[s * ${lines / 4}u + id % ${across}u] = ${factor.load(0, "t", "live")};`
    : put("s", `id % ${across}u`, factor.load(0, "t", "live"))
}
${factor.position?.advance(stride) ?? ""}
}`,
  };
}

/** The kernels of a product for GPUs, in vec4 or not. */
export function tiledKernels<Names extends string>({
  product,
  extent,
  tensors,
  notInFours,
}: Problem<Names>): Kernel[] {
  const variant = (vec: boolean): Kernel =>
    kernel<Names>({
      name: vec ? "tiled" : "tiledScalar",
      family: "gpu",
      workgroup: [threads, 1, 1],
      vec: vec ? tensors : [],
      rejects: (sizes) => (vec ? notInFours(sizes) : undefined),
      groups: (sizes) => {
        const [columns, rows, products] = extent(sizes);
        return [cover(columns, tileColumns), cover(rows, tileRows), products];
      },
      body: () => workgroupTile(product(vec), vec),
    });
  return [variant(true), variant(false)];
}
