import { cover, type Kernel, type KernelContext, kernel, type Sizes } from "../../src/kernel";
import { list, loadTexel, type Problem, type Product, storeFour } from "./product";

// For software adapters. There an arithmetic instruction works on a whole subgroup, but a load from a buffer is done lane
// by lane: the price of a product is the number of elements that it loads, wherever they lie, or what it takes to copy them
// into textures, which are read by whole subgroups. A broadcast from a known lane is free.

/** Lanes past which the accumulators of a tile would not fit any register file. */
const mostLanes = 16;

/** Rows of a lane in the tile of a long product. */
const most = 4;

// Factors are read from textures where that gets back what copying into them takes: in products of so many
// multiplications, so many for each value that is copied, which use so much of a tile that is wide.
const textureWork = 2 ** 22;
const textureUses = 32;
export const tileShare = 0.75;

export const lanesOf = ({ subgroupSize }: KernelContext): number => subgroupSize ?? 1;

/** How much of the tiles that cover `count` is used. */
export const share = (count: number, tile: number): number => count / (tile * cover(count, tile));

/** Whether a product gets back what copying its factors into textures takes. */
export function worthTextures<Names extends string>(
  { extent, length }: Problem<Names>,
  sizes: Sizes<Names>,
): boolean {
  const [columns, rows, products] = extent(sizes);
  return (
    columns * rows * products * length(sizes) >= textureWork &&
    (columns * rows) / (columns + rows) >= textureUses
  );
}

/** Why subgroups cannot share what they load. */
const rejectsSubgroups = (size: number | undefined): string | undefined => {
  if (size === undefined) return "the adapter's subgroups have no fixed size";
  return size > mostLanes ? `subgroups of ${size} need too many registers` : undefined;
};

/** Rows of the tile, `lanes` times `perLane`; the columns are `groups` of four a lane. */
interface Tile {
  readonly lanes: number;
  readonly perLane: number;
  readonly groups: number;
  /** Rows that one turn of the storing loop writes: each costs compile time, few cost selections. */
  readonly stores: number;
}

/** The beginning of a tile of so many rows and fours of columns: its rows begin at `first`, and `four` is the lane's own. */
export const opening = (
  product: Product,
  tileRows: number,
  fours: number,
): string => `${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let lane = local.x;
${product.setup}
  let rows = ${product.rows};
  let columns = ${product.columns};
  let first = group.y * ${tileRows}u;
  let four = group.x * ${fours}u + lane;
  if (first >= rows) { return; }`;

/** The accumulator of a row in one of the groups of columns. */
const accumulator = (row: number, group: number): string => `y${row}${group === 0 ? "" : `wide`}`;

/**
 * A tile of a product in the registers of one subgroup: every element of a factor is loaded by exactly one lane, and the
 * rows' elements reach the other lanes by broadcast. Barriers and workgroup memory are not needed.
 */
function subgroupTile(product: Product, vec: boolean, tile: Tile): string {
  const { lanes, perLane, groups } = tile;
  const rows = lanes * perLane;
  const inner = product.a.contiguous === "steps" ? alongSteps : acrossSteps;
  const { declare, loop } = inner(product, vec, tile);
  return `${opening(product, rows, lanes * groups)}
${declare}
${list(rows, (r) => list(groups, (g) => `  var ${accumulator(r, g)} = vec4f();`))}
${product.loops === undefined ? loop : product.loops(loop)}
${storeRows(product, vec, tile)}
}`;
}

/** The lines of the right factor that a lane loads: groups of four columns, side by side. */
const columnLines = ({ b }: Product, vec: boolean, { lanes, groups }: Tile): string =>
  list(groups, (g) => {
    const four = g === 0 ? "four" : `(four + ${g * lanes}u)`;
    return vec && b.contiguous === "lines"
      ? b.line(g, four)
      : list(4, (c) => b.line(g * 4 + c, `${four} * 4u + ${c}u`));
  });

/** Each lane loads `perLane` rows, `lanes` apart: of a few steps side by side, or one. */
function alongSteps(product: Product, vec: boolean, tile: Tile) {
  const { a, b, from, to } = product;
  const { lanes, perLane, groups } = tile;
  const steps = vec ? 4 : 1;
  const columns = groups * (vec && b.contiguous === "lines" ? 1 : 4);
  const right = (g: number) => {
    const four = (value: (c: number) => string) => `vec4f(${list(4, value, ", ")})`;
    if (!vec) return `let b0_${g} = ${four((c) => b.load(g * 4 + c, "t"))};`;
    if (b.contiguous === "lines")
      return list(steps, (s) => `let b${s}_${g} = ${b.load(g, `(t * ${steps}u + ${s}u)`)};`);
    return `${list(4, (c) => `let column${g}_${c} = ${b.load(g * 4 + c, "t")};`)}
${list(steps, (s) => `let b${s}_${g} = ${four((c) => `column${g}_${c}.${"xyzw"[s]}`)};`)}`;
  };
  const row = (k: number, lane: number) => `{
let s = subgroupBroadcast(a${k}, ${lane}u);
${list(groups, (g) => `${accumulator(k * lanes + lane, g)} += ${list(steps, (v) => `s${vec ? `.${"xyzw"[v]}` : ""} * b${v}_${g}`, " + ")};`)}
}`;
  return {
    declare: `${list(perLane, (k) => a.line(k, `first + lane + ${k * lanes}u`))}
${columnLines(product, vec, tile)}`,
    loop: `
${list(perLane, (k) => a.turn?.(k) ?? "")}
${list(columns, (c) => b.turn?.(c) ?? "")}
for (var t = ${from}; t < ${to}; t++) {
${list(perLane, (k) => `let a${k} = ${a.load(k, "t")};`)}
${list(groups, right)}
${list(perLane, (k) => list(lanes, (lane) => row(k, lane)))}
}`,
  };
}

/** Each lane loads four rows side by side, of several steps. */
function acrossSteps(product: Product, vec: boolean, tile: Tile) {
  const { a, b, from, to } = product;
  const { lanes, groups } = tile;
  const steps = vec ? 4 : 2;
  const fours = (factor: typeof a, k: number, v: number) => {
    const load = (line: number) => factor.load(line, `(t + ${v}u)`, `live${v}`);
    return vec ? load(k) : `vec4f(${list(4, load, ", ")})`;
  };
  const left = (v: number) => `let a${v} = ${fours(a, 0, v)};
${a.position?.advance ?? ""}`;
  const right = (v: number) => `${list(groups, (g) => `let b${v}_${g} = ${fours(b, g, v)};`)}
${b.position?.advance ?? ""}`;
  // A load from a texture is a call, and the cache lines that one asks for are few: those of the left factor, which lie far
  // apart, are asked for together.
  const loads =
    groups > 1
      ? `${list(steps, left)}\n${list(steps, right)}`
      : list(steps, (v) => `${left(v)}\n${right(v)}`);
  const broadcast = (lane: number) => `{
${list(steps, (v) => `let s${v} = subgroupBroadcast(a${v}, ${lane}u);`, " ")}
${list(4, (c) => list(groups, (g) => `${accumulator(lane * 4 + c, g)} += ${list(steps, (v) => `s${v}.${"xyzw"[c]} * b${v}_${g}`, " + ")};`))}
}`;
  return {
    declare: `${vec ? a.line(0, "first / 4u + lane") : list(4, (k) => a.line(k, `first + lane * 4u + ${k}u`))}
${columnLines(product, vec, tile)}
${a.position?.start(from, 1) ?? ""}
${b.position?.start(from, 1) ?? ""}`,
    loop: `
for (var t = ${from}; t < ${to}; t += ${steps}u) {
${list(steps, (v) => `let live${v} = t + ${v}u < ${to};`)}
${loads}
${list(lanes, broadcast)}
}`,
  };
}

/** A loop over the rows, so that there are few places that store: each is compiled once a lane. */
function storeRows(product: Product, vec: boolean, { lanes, perLane, groups, stores }: Tile): string {
  const turns = (lanes * perLane) / stores;
  return `
let limit = rows - first;
for (var turn = 0u; turn < min(limit, ${turns}u); turn++) {
${list(stores, (s) => {
  const stored = (g: number) => {
    const names = Array.from({ length: turns }, (_, r) => accumulator(s * turns + r, g));
    return `{
let v = ${choose(names, "turn")};
${storeFour(product, vec, `(first + i${s})`, g === 0 ? "four" : `(four + ${g * lanes}u)`, "v")}
}`;
  };
  return `let i${s} = turn + ${s * turns}u;
if (i${s} < limit) {
${list(groups, stored)}
}`;
})}
}`;
}

/** Picks one of 2ⁿ names by the bits of an index: registers cannot be indexed. */
export function choose(names: readonly string[], index: string, bit = 0): string {
  const [only] = names;
  if (names.length === 1 && only !== undefined) return only;
  const pick = (odd: number) =>
    choose(
      names.filter((_, k) => k % 2 === odd),
      index,
      bit + 1,
    );
  return `select(${pick(0)}, ${pick(1)}, (${index} & ${2 ** bit}u) != 0u)`;
}

/** The kernels of a product for software adapters: from textures, or from buffers in vec4 or not, for few rows or many. */
export function subgroupKernels<Names extends string>(problem: Problem<Names>, stores: number): Kernel[] {
  const { product, extent, tensors, notInFours } = problem;
  const variant = (name: string, vec: boolean, perLane: number, textures: readonly string[] = []): Kernel => {
    const isTextured = textures.length > 0;
    const groups = isTextured ? 2 : 1;
    return kernel<Names>({
      name,
      family: "software",
      enables: ["subgroups"],
      workgroup: (context) => [lanesOf(context), 1, 1],
      vec: vec ? tensors : [],
      textures,
      rejects: (sizes, context) => {
        const refusal = rejectsSubgroups(context.subgroupSize);
        if (refusal !== undefined) return refusal;
        const [, rows] = extent(sizes);
        if (perLane < most && rows > perLane * lanesOf(context))
          return `${rows} rows are more than ${perLane} a lane`;
        return vec ? notInFours(sizes) : undefined;
      },
      suits: (sizes, context) => {
        if (!isTextured) return true;
        const [columns, rows] = extent(sizes);
        const lanes = lanesOf(context);
        return (
          worthTextures(problem, sizes) &&
          share(columns, 4 * groups * lanes) * share(rows, perLane * lanes) >= tileShare
        );
      },
      groups: (sizes, context) => {
        const [columns, rows, products] = extent(sizes);
        const lanes = lanesOf(context);
        return [cover(columns, 4 * groups * lanes), cover(rows, perLane * lanes), products];
      },
      body: (_, context) =>
        subgroupTile(product(vec, isTextured ? loadTexel : undefined), vec, {
          lanes: lanesOf(context),
          perLane,
          groups,
          stores: perLane < most ? 1 : stores,
        }),
    });
  };
  // The fewest rows that do: those past the last are computed, and thrown away.
  const perLane = product(true).a.contiguous === "steps" ? [1, 2, most] : [most];
  return [
    variant("subgroupTextures", true, most, tensors.slice(0, 2)),
    ...[true, false].flatMap((vec) =>
      perLane.map((n) => variant(`subgroup${vec ? "" : "Scalar"}${n === most ? "" : n}`, vec, n)),
    ),
  ];
}
