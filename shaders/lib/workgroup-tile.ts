import { cover, type Kernel, kernel, type Sizes } from "../../src/kernel";
import { type Factor, list, type Problem, type Product, storeFour } from "./product";

// For GPUs: a workgroup loads pieces of both factors into its own memory once, and every thread takes what it needs from
// there.

/** A tile of results, the square of them that a thread computes, and the steps between two barriers. */
interface Tile {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns of one thread, in fours that lie a whole part of the tile apart. */
  readonly own: 4 | 8;
  readonly steps: 8 | 16;
}

// Larger tiles load less for each product, smaller ones leave fewer threads idle at the edges and on a large GPU.
const tiled128: Tile = { name: "tiled128", rows: 128, columns: 128, own: 8, steps: 8 };
const tiled128x64: Tile = { name: "tiled128x64", rows: 128, columns: 64, own: 8, steps: 16 };
const tiled64: Tile = { name: "tiled64", rows: 64, columns: 64, own: 8, steps: 16 };
const tiled32: Tile = { name: "tiled32", rows: 32, columns: 32, own: 4, steps: 16 };

/** Workgroups that give every core of a large GPU one. */
const busy = 128;
/** Least share of a tile that must lie within the product for it to be worth its size. */
const leastUsed = 0.75;

const threadsOf = ({ rows, columns, own }: Tile): number => (rows / own) * (columns / own);
/** Bytes of workgroup memory: a piece of each factor. */
const storageOf = ({ rows, columns, steps }: Tile): number => 4 * (rows + columns) * steps;

/**
 * A tile of a product by one workgroup, 8 × 8 or 4 × 4 results a thread in named registers. Its pieces lie in workgroup
 * memory step by step, so that a thread reads its rows and columns as vec4.
 */
function workgroupTile(product: Product, vec: boolean, tile: Tile): string {
  const { a, b, from, to } = product;
  const { rows, columns, own, steps } = tile;
  /** Fours of a thread along each axis, and of the tile between one and the next. */
  const fours = own / 4;
  const [downward, across] = [rows / own, columns / own];
  /** Steps that one unit of the loop's counter stands for. */
  const unit = vec && a.contiguous === "steps" ? 4 : 1;
  const left = piece("tileA", rows, "first", a, vec, unit, product, tile);
  const right = piece("tileB", columns, "firstColumn", b, vec, unit, product, tile);
  const loop = `
${left.turn}
${right.turn}
for (var t0 = ${from}; t0 < ${to}; t0 += ${steps / unit}u) {
${left.fill}
${right.fill}
workgroupBarrier();
for (var s = 0u; s < ${steps}u; s++) {
${list(fours, (f) => `let r${f} = tileA[s * ${rows / 4}u + ${f * downward}u + ty];`)}
${list(fours, (f) => `let c${f} = tileB[s * ${columns / 4}u + ${f * across}u + tx];`)}
${list(own, (r) => list(fours, (f) => `y${r}_${f} = fma(vec4f(r${r >> 2}.${"xyzw"[r % 4]}), c${f}, y${r}_${f});`, " "))}
}
workgroupBarrier();
}`;
  const results = list(own, (r) => {
    const row = `(first + ${(r >> 2) * 4 * downward}u + ty * 4u + ${r % 4}u)`;
    return `if (${row} < rows) {
${list(fours, (f) => storeFour(product, vec, row, `(four + ${f * across}u)`, `y${r}_${f}`))}
}`;
  });
  return `
var<workgroup> tileA: array<vec4f, ${(rows * steps) / 4}>;
var<workgroup> tileB: array<vec4f, ${(columns * steps) / 4}>;
${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let id = local.x;
  let tx = id % ${across}u;
  let ty = id / ${across}u;
${product.setup}
  let rows = ${product.rows};
  let columns = ${product.columns};
  let first = group.y * ${rows}u;
  let firstColumn = group.x * ${columns}u;
  let four = firstColumn / 4u + tx;
  if (first >= rows) { return; }
${left.declare}
${right.declare}
${list(own, (r) => list(fours, (f) => `var y${r}_${f} = vec4f();`, " "))}
${product.loops === undefined ? loop : product.loops(loop)}
${results}
}`;
}

/** How the workgroup fetches a piece of a factor: `lines` lines from `origin`, the tile's steps from `t0`. */
function piece(
  name: string,
  lines: number,
  origin: string,
  factor: Factor,
  vec: boolean,
  unit: number,
  { from, to }: Product,
  tile: Tile,
) {
  const { steps } = tile;
  const threads = threadsOf(tile);
  const put = (step: string, line: string, value: string) =>
    `${name}[(${step}) * ${lines / 4}u + (${line}) / 4u][(${line}) % 4u] = ${value};`;
  if (vec && factor.contiguous === "steps") {
    // Several threads a line, each with four steps; they are turned into four places, step by step.
    const perLine = steps / 4;
    const each = (lines * perLine) / threads;
    const at = (k: number) => `id / ${perLine}u + ${(k * threads) / perLine}u`;
    return {
      declare: list(each, (k) => factor.line(k, `${origin} + ${at(k)}`)),
      turn: list(each, (k) => factor.turn?.(k) ?? ""),
      fill: `{
let t = t0 + id % ${perLine}u;
let live = t < ${to};
${list(
  each,
  (k) => `{
let v = ${factor.load(k, "t", "live")};
${list(4, (e) => put(`id % ${perLine}u * 4u + ${e}u`, at(k), `v.${"xyzw"[e]}`))}
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
    ? `${name}[s * ${lines / 4}u + id % ${across}u] = ${factor.load(0, "t", "live")};`
    : put("s", `id % ${across}u`, factor.load(0, "t", "live"))
}
${factor.position?.advance(stride) ?? ""}
}`,
  };
}

/** The kernels of a product for GPUs: tiles from the largest to the smallest in vec4, and one that is not in vec4. */
export function tiledKernels<Names extends string>({
  product,
  extent,
  tensors,
  notInFours,
}: Problem<Names>): Kernel[] {
  const variant = (tile: Tile, vec: boolean): Kernel => {
    const threads = threadsOf(tile);
    const groups = (sizes: Sizes<Names>) => {
      const [columns, rows, products] = extent(sizes);
      return [cover(columns, tile.columns), cover(rows, tile.rows), products] as const;
    };
    return kernel<Names>({
      name: vec ? tile.name : `${tile.name}Scalar`,
      family: "gpu",
      workgroup: [threads, 1, 1],
      vec: vec ? tensors : [],
      rejects: (sizes, { limits }) => {
        if (threads > limits.maxComputeInvocationsPerWorkgroup)
          return `${threads} invocations a workgroup, the adapter has ${limits.maxComputeInvocationsPerWorkgroup}`;
        if (storageOf(tile) > limits.maxComputeWorkgroupStorageSize)
          return `${storageOf(tile)} bytes of workgroup memory, the adapter has ${limits.maxComputeWorkgroupStorageSize}`;
        return vec ? notInFours(sizes) : undefined;
      },
      suits: (sizes) => {
        if (!vec || tile === tiled32) return true;
        const [columns, rows, products] = extent(sizes);
        const [x, y, z] = groups(sizes);
        const used = (columns * rows * products) / (x * y * z * tile.columns * tile.rows);
        return x * y * z >= busy && used >= leastUsed;
      },
      groups,
      body: () => workgroupTile(product(vec), vec, tile),
    });
  };
  return [
    ...[tiled128, tiled128x64, tiled64, tiled32].map((tile) => variant(tile, true)),
    variant(tiled64, false),
  ];
}
