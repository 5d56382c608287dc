import { cover, type Kernel, type KernelContext, kernel, type Sizes } from "../../src/kernel";
import { type Factor, list, type Problem, type Product, storeFour } from "./product";

// For GPUs: a workgroup loads pieces of both factors into its own memory once, and every thread takes what it needs from
// there.

/** A tile of results, those of them that a thread computes, and the pieces that lie in workgroup memory. */
interface Tile {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns of one thread, in fours that lie a whole part of the tile apart. */
  readonly own: readonly [rows: 4 | 8 | 12, columns: 4 | 8];
  /** Steps of a piece. */
  readonly steps: 8 | 16;
  /** Pieces of each factor: with two, one is filled while others still read the other, and half the barriers go. */
  readonly buffers: 1 | 2;
  /** Parts of a workgroup to which the pieces are dealt out; each has as many rows a thread as there are parts. */
  readonly parts: 1 | 4;
  /** TFLOP/s of an H100 whose cores have several of these tiles each, or one. */
  readonly speed: readonly [several: number, one: number];
}

const plain = { steps: 16, buffers: 1, parts: 1 } as const;
const doubled = { steps: 8, buffers: 2, parts: 1 } as const;
// Larger tiles load less for each product, smaller ones leave fewer threads idle at the edges and on a large GPU.
// Measured on an H100, at the shapes of ResNet-50 in batches of 4 and 32 and of square products.
const tiled128: Tile = {
  ...doubled,
  name: "tiled128",
  rows: 128,
  columns: 128,
  own: [8, 8],
  speed: [44, 42],
};
const tiled64x128: Tile = { ...tiled128, name: "tiled64x128", rows: 64, speed: [38, 33] };
/** For factors whose steps, and lines, lie side by side: of the others its threads could not load even shares. */
const tiled96x64: Tile = {
  ...plain,
  name: "tiled96x64",
  rows: 96,
  columns: 64,
  own: [12, 4],
  buffers: 2,
  speed: [38, 29],
};
const tiled64: Tile = { ...plain, name: "tiled64", rows: 64, columns: 64, own: [8, 4], speed: [36.5, 30] };
const tiled32x64: Tile = {
  ...plain,
  name: "tiled32x64",
  rows: 32,
  columns: 64,
  own: [4, 4],
  speed: [28.5, 19.5],
};
const tiled32: Tile = { ...tiled32x64, name: "tiled32", columns: 32, speed: [24, 12] };
/** For so few results that every core has to share their sums: it took 23 µs for 128×1024 by 1024×256, `tiled32` 32. */
const dealt32: Tile = { ...tiled32, name: "dealt32", parts: 4 };
/** Workgroups from which its parts do not pay any more. */
const enough = 264;
/** Workgroups of `tiled32x64` below which tiles that large leave too many cores idle. */
const fewest = 128;
/** Cores of an H100. On a smaller GPU every tile comes in more turns, and the last turn matters less. */
const cores = 132;

/**
 * What a product costs in a tile, in no unit that matters: the tiles of the busiest core by their size and speed. Tiles
 * are dealt out to the cores whole, so that 98 large ones on 132 cores are slower than 264 of half the size.
 */
function costOf({ rows, columns, speed: [several, one] }: Tile, groups: number): number {
  const most = Math.ceil(groups / cores);
  return (most * rows * columns) / (most > 1 ? several : one);
}

const threadsOf = ({ rows, columns, own }: Tile): number => (rows / own[0]) * (columns / own[1]);
/** Vectors of a step of a piece: one is left free, so that stores along the steps spread over the banks. */
const widthOf = (lines: number): number => lines / 4 + 1;
/**
 * A piece of a factor in workgroup memory, step by step. An array of arrays, because WebGPU clamps every index: those of
 * the steps are constants then, and the others the same for all steps, so that what clamps them leaves the loop.
 */
const pieceType = (lines: number, steps: number): string =>
  `array<array<vec4f, ${widthOf(lines)}>, ${steps}>`;
/** Bytes of workgroup memory: the pieces of each factor for each part, and what the parts leave for each other. */
const storageOf = ({ rows, columns, steps, buffers, parts }: Tile): number =>
  16 * steps * (widthOf(rows) + widthOf(columns)) * buffers * parts + 4 * rows * columns * (parts - 1);

/**
 * A tile of a product by one workgroup, up to 64 results a thread in named registers. Its pieces lie in workgroup
 * memory step by step, so that a thread reads its rows and columns as vec4; the next pieces are on their way from
 * memory, in registers, while these are multiplied.
 *
 * @param unrolled whether the steps are written out: up to half as fast again on a GPU, and long to compile on processors
 */
function workgroupTile(product: Product, vec: boolean, tile: Tile, unrolled: boolean): string {
  const { a, b, from, to } = product;
  const { rows, columns, own, steps, buffers, parts } = tile;
  /** Fours of a thread along each axis, and of the tile between one and the next. */
  const [foursDown, foursAcross] = [own[0] / 4, own[1] / 4];
  const [downward, across] = [rows / own[0], columns / own[1]];
  /** Steps that one unit of the loop's counter stands for. */
  const unit = vec && a.contiguous === "steps" ? 4 : 1;
  const left = piece("tileA", rows, "first", a, vec, unit, product, tile);
  const right = piece("tileB", columns, "firstColumn", b, vec, unit, product, tile);
  const multiply = (buffer: number, s: string) => `{
${list(foursDown, (f) => `let r${f} = tileA_${buffer}[part][${s}][${f * downward}u + ty];`)}
${list(foursAcross, (f) => `let c${f} = tileB_${buffer}[part][${s}][${f * across}u + tx];`)}
${list(own[0], (r) => list(foursAcross, (f) => `y${r}_${f} = fma(vec4f(r${r >> 2}.${"xyzw"[r % 4]}), c${f}, y${r}_${f});`, " "))}
}`;
  const fetch = (t: string) => `{ let next = ${t};\n${left.fetch}\n${right.fetch}\n}`;
  /** What a piece adds to the counter. */
  const hop = steps / unit;
  /** What lies so many pieces after `at`, and, where there are parts, this part's piece of those. */
  const after = (at: string, pieces: number) =>
    parts === 1 ? `${at} + ${pieces * hop}u` : `${at} + (${pieces * parts}u + part) * ${hop}u`;
  const turn = (buffer: number) => `
${left.put(buffer)}
${right.put(buffer)}
workgroupBarrier();
${fetch(after("t0", buffer + 1))}
${unrolled ? list(steps, (s) => multiply(buffer, `${s}u`)) : `for (var s = 0u; s < ${steps}u; s++) ${multiply(buffer, "s")}`}`;
  const loop = `
${left.turn}
${right.turn}
${fetch(after(from, 0))}
for (var t0 = ${from}; t0 < ${to}; t0 += ${buffers * parts * hop}u) {
${list(buffers, turn)}
${buffers === 1 ? "workgroupBarrier();" : ""}
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
${list(buffers, (k) => `var<workgroup> tileA_${k}: array<${pieceType(rows, steps)}, ${parts}>;`)}
${list(buffers, (k) => `var<workgroup> tileB_${k}: array<${pieceType(columns, steps)}, ${parts}>;`)}
${parts === 1 ? "" : `var<workgroup> sums: array<array<vec4f, ${threadsOf(tile)}>, ${parts * (parts - 1)}>;`}
${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let part = ${parts === 1 ? "0u" : `local.x / ${threadsOf(tile)}u`};
  let id = local.x${parts === 1 ? "" : ` % ${threadsOf(tile)}u`};
  // Every 32 threads compute a block of the tile, 4 down and 8 across: together they read fewest rows and columns.
  let tx = id % 8u + id / 32u % ${across / 8}u * 8u;
  let ty = id / 8u % 4u + id / ${across * 4}u * 4u;
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
  const { steps } = tile;
  const threads = threadsOf(tile);
  const put = (buffer: number, step: string, line: string, value: string) =>
    `${name}_${buffer}[part][${step}][(${line}) / 4u][(${line}) % 4u] = ${value};`;
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
      put: (buffer: number) =>
        list(each, (k) =>
          list(4, (e) => put(buffer, `id % ${perLine}u * 4u + ${e}u`, at(k), `${name}${k}.${"xyzw"[e]}`)),
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
    put: (buffer: number) =>
      list(each, (k) =>
        vec
          ? `${name}_${buffer}[part][id / ${across}u + ${k * by}u][id % ${across}u] = ${name}${k};`
          : put(buffer, `id / ${across}u + ${k * by}u`, `id % ${across}u`, `${name}${k}`),
      ),
  };
}

/** Why an adapter cannot run a tile. */
function tooLarge(tile: Tile, limits: KernelContext["limits"]): string | undefined {
  const threads = threadsOf(tile) * tile.parts;
  if (threads > limits.maxComputeInvocationsPerWorkgroup)
    return `${threads} invocations a workgroup, the adapter has ${limits.maxComputeInvocationsPerWorkgroup}`;
  if (storageOf(tile) > limits.maxComputeWorkgroupStorageSize)
    return `${storageOf(tile)} bytes of workgroup memory, the adapter has ${limits.maxComputeWorkgroupStorageSize}`;
  return undefined;
}

/** The kernels of a product for GPUs: tiles from the largest to the smallest in vec4, and some that are not in vec4. */
export function tiledKernels<Names extends string>({
  product,
  extent,
  tensors,
  notInFours,
}: Problem<Names>): Kernel[] {
  const { a, b } = product(true);
  const canTake96 = a.contiguous === "steps" && b.contiguous === "lines";
  const large = [tiled128, tiled64x128, ...(canTake96 ? [tiled96x64] : []), tiled64, tiled32x64];
  const all = [...large, tiled32];
  const gridOf = (tile: Tile, sizes: Sizes<Names>) => {
    const [columns, rows, products] = extent(sizes);
    return [cover(columns, tile.columns), cover(rows, tile.rows), products] as const;
  };
  const groupsOf = (tile: Tile, sizes: Sizes<Names>): number => {
    const [x, y, z] = gridOf(tile, sizes);
    return x * y * z;
  };
  /** The tile that costs least. */
  const cheapest = (sizes: Sizes<Names>, { limits }: KernelContext): Tile => {
    if (groupsOf(tiled32x64, sizes) < fewest) return tiled32;
    const costs = all
      .filter((tile) => tooLarge(tile, limits) === undefined)
      .map((tile) => ({ tile, cost: costOf(tile, groupsOf(tile, sizes)) }));
    return costs.reduce((least, next) => (next.cost < least.cost ? next : least)).tile;
  };
  const variant = (tile: Tile, vec: boolean, suits?: Kernel<Sizes<Names>>["suits"]): Kernel =>
    kernel<Names>({
      name: vec ? tile.name : `${tile.name}Scalar`,
      family: "gpu",
      workgroup: [threadsOf(tile) * tile.parts, 1, 1],
      vec: vec ? tensors : [],
      rejects: (sizes, { limits }) => tooLarge(tile, limits) ?? (vec ? notInFours(sizes) : undefined),
      ...(suits === undefined ? {} : { suits }),
      groups: (sizes) => gridOf(tile, sizes),
      body: (_, { adapterClass }) => workgroupTile(product(vec), vec, tile, adapterClass === "gpu"),
    });
  // What follows the steps of an invocation one by one cannot leave pieces out.
  const canDeal = a.position === undefined && b.position === undefined;
  return [
    ...large.map((tile) => variant(tile, true, (sizes, context) => cheapest(sizes, context) === tile)),
    ...(canDeal ? [variant(dealt32, true, (sizes) => groupsOf(dealt32, sizes) < enough)] : []),
    variant(tiled32, true),
    ...[tiled64, tiled32].map((tile) => variant(tile, false)),
  ];
}
