import { cover, type Kernel, kernel, type Sizes } from "../../src/kernel";
import { type Factor, list, type Problem, type Product, storeFour } from "./product";

// For GPUs: a workgroup loads pieces of both factors into its own memory once, and every thread takes what it needs from
// there.

/** A tile of results, those of them that a thread computes, and the steps between two barriers. */
interface Tile {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns of one thread, in fours that lie a whole part of the tile apart. */
  readonly own: readonly [rows: 4 | 8, columns: 4 | 8];
  /** Workgroups below which a smaller tile is faster: large GPUs want a few for each of their cores. */
  readonly busy: number;
  /** Parts of a workgroup to which the pieces are dealt out; each has as many rows a thread as there are parts. */
  readonly parts: 1 | 4;
}

// Larger tiles load less for each product, smaller ones leave fewer threads idle at the edges and on a large GPU.
// Measured on an H100, at the shapes of ResNet-50 in batches of 4 and 32 and of square products.
const tiled128: Tile = { name: "tiled128", rows: 128, columns: 128, own: [8, 8], busy: 240, parts: 1 };
const tiled64: Tile = { name: "tiled64", rows: 64, columns: 64, own: [8, 4], busy: 256, parts: 1 };
const tiled32x64: Tile = { name: "tiled32x64", rows: 32, columns: 64, own: [4, 4], busy: 128, parts: 1 };
const tiled32: Tile = { name: "tiled32", rows: 32, columns: 32, own: [4, 4], busy: 0, parts: 1 };
/** For so few results that every core has to share their sums: it took 23 µs for 128×1024 by 1024×256, `tiled32` 32. */
const dealt32: Tile = { ...tiled32, name: "dealt32", parts: 4 };
/** Workgroups from which its parts do not pay any more. */
const enough = 264;

const steps = 16;
/** Least share of a tile that must lie within the product for it to be worth its size. */
const leastUsed = 0.75;

const threadsOf = ({ rows, columns, own }: Tile): number => (rows / own[0]) * (columns / own[1]);
/** Vectors of a step of a piece: one is left free, so that stores along the steps spread over the banks. */
const widthOf = (lines: number): number => lines / 4 + 1;
/**
 * A piece of a factor in workgroup memory, step by step. An array of arrays, because WebGPU clamps every index: those of
 * the steps are constants then, and the others the same for all steps, so that what clamps them leaves the loop.
 */
const pieceType = (lines: number): string => `array<array<vec4f, ${widthOf(lines)}>, ${steps}>`;
/** Bytes of workgroup memory: a piece of each factor for each part, and what the parts leave for each other. */
const storageOf = ({ rows, columns, parts }: Tile): number =>
  16 * steps * (widthOf(rows) + widthOf(columns)) * parts + 4 * rows * columns * (parts - 1);

/**
 * A tile of a product by one workgroup, up to 8 × 8 results a thread in named registers. Its pieces lie in workgroup
 * memory step by step, so that a thread reads its rows and columns as vec4; the next pieces are on their way from
 * memory, in registers, while these are multiplied.
 *
 * @param unrolled whether the steps are written out: up to half as fast again on a GPU, and long to compile on processors
 */
function workgroupTile(product: Product, vec: boolean, tile: Tile, unrolled: boolean): string {
  const { a, b, from, to } = product;
  const { rows, columns, own, parts } = tile;
  /** Fours of a thread along each axis, and of the tile between one and the next. */
  const [foursDown, foursAcross] = [own[0] / 4, own[1] / 4];
  const [downward, across] = [rows / own[0], columns / own[1]];
  /** Steps that one unit of the loop's counter stands for. */
  const unit = vec && a.contiguous === "steps" ? 4 : 1;
  const left = piece("tileA", rows, "first", a, vec, unit, product, tile);
  const right = piece("tileB", columns, "firstColumn", b, vec, unit, product, tile);
  const multiply = (s: string) => `{
${list(foursDown, (f) => `let r${f} = tileA[part][${s}][${f * downward}u + ty];`)}
${list(foursAcross, (f) => `let c${f} = tileB[part][${s}][${f * across}u + tx];`)}
${list(own[0], (r) => list(foursAcross, (f) => `y${r}_${f} = fma(vec4f(r${r >> 2}.${"xyzw"[r % 4]}), c${f}, y${r}_${f});`, " "))}
}`;
  const fetch = (t: string) => `{ let next = ${t};\n${left.fetch}\n${right.fetch}\n}`;
  /** What a piece adds to the counter. */
  const hop = steps / unit;
  /** What lies so many pieces after `at`, and, where there are parts, this part's piece of those. */
  const after = (at: string, pieces: number) =>
    parts === 1 ? `${at} + ${pieces * hop}u` : `${at} + (${pieces * parts}u + part) * ${hop}u`;
  const loop = `
${left.turn}
${right.turn}
${fetch(after(from, 0))}
for (var t0 = ${from}; t0 < ${to}; t0 += ${parts * hop}u) {
${left.put}
${right.put}
workgroupBarrier();
${fetch(after("t0", 1))}
${unrolled ? list(steps, (s) => multiply(`${s}u`)) : `for (var s = 0u; s < ${steps}u; s++) ${multiply("s")}`}
workgroupBarrier();
}`;
  const store = (row: string, value: (f: number) => string) => `if (${row} < rows) {
${list(foursAcross, (f) => storeFour(product, vec, row, `(four + ${f * across}u)`, value(f)))}
}`;
  const results =
    parts === 1
      ? list(own[0], (r) =>
          store(`(first + ${(r >> 2) * 4 * downward}u + ty * 4u + ${r % 4}u)`, (f) => `y${r}_${f}`),
        )
      : `${addUp(parts)}\n${store("(first + ty * 4u + part)", () => "total")}`;
  return `
var<workgroup> tileA: array<${pieceType(rows)}, ${parts}>;
var<workgroup> tileB: array<${pieceType(columns)}, ${parts}>;
${parts === 1 ? "" : `var<workgroup> sums: array<array<vec4f, ${threadsOf(tile)}>, ${parts * (parts - 1)}>;`}
${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let part = ${parts === 1 ? "0u" : `local.x / ${threadsOf(tile)}u`};
  let id = local.x${parts === 1 ? "" : ` % ${threadsOf(tile)}u`};
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
${list(own[0], (r) => list(foursAcross, (f) => `var y${r}_${f} = vec4f();`, " "))}
${product.loops === undefined ? loop : product.loops(loop)}
${results}
}`;
}

/** What the parts have added up of a thread's rows, each by one of them, as `total`. */
const addUp = (parts: number): string => `
${list(parts, (r) => `if (part != ${r}u) { sums[${r * (parts - 1)}u + select(part - 1u, part, part < ${r}u)][id] = y${r}_0; }`)}
workgroupBarrier();
var total = y0_0;
${list(parts - 1, (r) => `if (part == ${r + 1}u) { total = y${r + 1}_0; }`)}
${list(parts - 1, (k) => `total += sums[part * ${parts - 1}u + ${k}u][id];`)}`;

/** How the workgroup fetches a piece of a factor: `lines` lines from `origin`, the tile's steps from `next`. */
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
  const threads = threadsOf(tile);
  const put = (step: string, line: string, value: string) =>
    `${name}[part][${step}][(${line}) / 4u][(${line}) % 4u] = ${value};`;
  if (vec && factor.contiguous === "steps") {
    // Several threads a line, each with four steps; they are turned into four places, step by step.
    const perLine = steps / 4;
    const each = (lines * perLine) / threads;
    const at = (k: number) => `id / ${perLine}u + ${(k * threads) / perLine}u`;
    return {
      declare: `${list(each, (k) => factor.line(k, `${origin} + ${at(k)}`))}
${list(each, (k) => `var ${name}${k} = vec4f();`)}`,
      turn: list(each, (k) => factor.turn?.(k) ?? ""),
      fetch: `{
let t = next + id % ${perLine}u;
let live = t < ${to};
${list(each, (k) => `${name}${k} = ${factor.load(k, "t", "live")};`)}
}`,
      put: list(each, (k) =>
        list(4, (e) => put(`id % ${perLine}u * 4u + ${e}u`, at(k), `${name}${k}.${"xyzw"[e]}`)),
      ),
    };
  }
  // A line (or four side by side) a thread, and every so many steps.
  const across = vec ? lines / 4 : lines;
  const by = threads / across;
  const each = steps / by;
  const end = unit === 1 ? to : `(${to}) * ${unit}u`;
  return {
    declare: `${factor.line(0, `${vec ? `${origin} / 4u` : origin} + id % ${across}u`)}
${factor.position?.start(`${from} + id / ${across}u`, by) ?? ""}
${list(each, (k) => `var ${name}${k} = ${vec ? "vec4f()" : "0.0"};`)}`,
    turn: factor.turn?.(0) ?? "",
    fetch: list(
      each,
      (k) => `{
let t = next * ${unit}u + id / ${across}u + ${k * by}u;
let live = t < ${end};
${name}${k} = ${factor.load(0, "t", "live")};
${factor.position?.advance ?? ""}
}`,
    ),
    put: list(each, (k) =>
      vec
        ? `${name}[part][id / ${across}u + ${k * by}u][id % ${across}u] = ${name}${k};`
        : put(`id / ${across}u + ${k * by}u`, `id % ${across}u`, `${name}${k}`),
    ),
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
    const threads = threadsOf(tile) * tile.parts;
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
        const [x, y, z] = groups(sizes);
        if (tile.parts > 1) return x * y * z < enough;
        if (!vec || tile.busy === 0) return true;
        const [columns, rows, products] = extent(sizes);
        const used = (columns * rows * products) / (x * y * z * tile.columns * tile.rows);
        return x * y * z >= tile.busy && used >= leastUsed;
      },
      groups,
      body: (_, { adapterClass }) => workgroupTile(product(vec), vec, tile, adapterClass === "gpu"),
    });
  };
  // What follows the steps of an invocation one by one cannot leave pieces out.
  const { a, b } = product(true);
  const dealt = a.position === undefined && b.position === undefined ? [dealt32] : [];
  return [
    ...[tiled128, tiled64, tiled32x64, ...dealt, tiled32].map((tile) => variant(tile, true)),
    ...[tiled64, tiled32].map((tile) => variant(tile, false)),
  ];
}
