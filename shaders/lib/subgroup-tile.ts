import { cover, type Kernel, type KernelContext, kernel } from "../../src/kernel";
import { list, type Problem, type Product, storeFour } from "./product";

// For software adapters. There an arithmetic instruction works on a whole subgroup, but a load is done lane by lane: the
// price of a product is the number of elements that it loads, wherever they lie. A broadcast from a known lane is free.

/** Lanes past which the accumulators of a tile would not fit any register file. */
const mostLanes = 16;

/** Rows of a lane in the tile of a long product. */
const most = 4;

/** Rows of the tile, `lanes` times `perLane`; the columns are four a lane. */
interface Tile {
  readonly lanes: number;
  readonly perLane: number;
  /** Rows that one turn of the storing loop writes: each costs compile time, few cost selections. */
  readonly stores: number;
}

/**
 * A tile of a product in the registers of one subgroup: every element of a factor is loaded by exactly one lane, and the
 * rows' elements reach the other lanes by broadcast. Barriers and workgroup memory are not needed.
 */
function subgroupTile(product: Product, vec: boolean, tile: Tile): string {
  const { lanes, perLane } = tile;
  const rows = lanes * perLane;
  const inner = product.a.contiguous === "steps" ? alongSteps : acrossSteps;
  const { declare, loop } = inner(product, vec, tile);
  return `${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let lane = local.x;
${product.setup}
  let rows = ${product.rows};
  let columns = ${product.columns};
  let first = group.y * ${rows}u;
  let four = group.x * ${lanes}u + lane;
  if (first >= rows) { return; }
${declare}
${list(rows, (r) => `  var y${r} = vec4f();`)}
${product.loops === undefined ? loop : product.loops(loop)}
${storeRows(product, vec, tile)}
}`;
}

/** The lines of the right factor that a lane loads: four columns, side by side. */
const columnLines = ({ b }: Product, vec: boolean): string =>
  vec && b.contiguous === "lines" ? b.line(0, "four") : list(4, (c) => b.line(c, `four * 4u + ${c}u`));

/** Each lane loads `perLane` rows, `lanes` apart: of each four steps side by side, or one. */
function alongSteps(product: Product, vec: boolean, { lanes, perLane }: Tile) {
  const { a, b, from, to } = product;
  const columns = vec && b.contiguous === "lines" ? 1 : 4;
  const one = list(4, (c) => b.load(c, "t"), ", ");
  const right = !vec
    ? `let b0 = vec4f(${one});`
    : b.contiguous === "lines"
      ? list(4, (s) => `let b${s} = ${b.load(0, `(t * 4u + ${s}u)`)};`)
      : `${list(4, (c) => `let column${c} = ${b.load(c, "t")};`)}
${list(4, (s) => `let b${s} = vec4f(${list(4, (c) => `column${c}.${"xyzw"[s]}`, ", ")});`)}`;
  const row = (k: number, lane: number) => {
    const y = `y${k * lanes + lane}`;
    const value = `subgroupBroadcast(a${k}, ${lane}u)`;
    return vec
      ? `{ let s = ${value}; ${y} += s.x * b0 + s.y * b1 + s.z * b2 + s.w * b3; }`
      : `${y} += ${value} * b0;`;
  };
  return {
    declare: `${list(perLane, (k) => a.line(k, `first + lane + ${k * lanes}u`))}
${columnLines(product, vec)}`,
    loop: `
${list(perLane, (k) => a.turn?.(k) ?? "")}
${list(columns, (c) => b.turn?.(c) ?? "")}
for (var t = ${from}; t < ${to}; t++) {
${list(perLane, (k) => `let a${k} = ${a.load(k, "t")};`)}
${right}
${list(perLane, (k) => list(lanes, (lane) => row(k, lane)))}
}`,
  };
}

/** Each lane loads four rows side by side, of several steps. */
function acrossSteps(product: Product, vec: boolean, { lanes }: Tile) {
  const { a, b, from, to } = product;
  const steps = vec ? 4 : 2;
  const fours = (factor: typeof a, step: string, live: string) =>
    vec ? factor.load(0, step, live) : `vec4f(${list(4, (k) => factor.load(k, step, live), ", ")})`;
  const broadcast = (lane: number) => `{
${list(steps, (v) => `let s${v} = subgroupBroadcast(a${v}, ${lane}u);`, " ")}
${list(4, (c) => `y${lane * 4 + c} += ${list(steps, (v) => `s${v}.${"xyzw"[c]} * b${v}`, " + ")};`)}
}`;
  return {
    declare: `${vec ? a.line(0, "first / 4u + lane") : list(4, (k) => a.line(k, `first + lane * 4u + ${k}u`))}
${columnLines(product, vec)}
${a.position?.start(from, 1) ?? ""}
${b.position?.start(from, 1) ?? ""}`,
    loop: `
for (var t = ${from}; t < ${to}; t += ${steps}u) {
${list(
  steps,
  (v) => `let live${v} = t + ${v}u < ${to};
let a${v} = ${fours(a, `(t + ${v}u)`, `live${v}`)};
let b${v} = ${fours(b, `(t + ${v}u)`, `live${v}`)};
${a.position?.advance ?? ""}
${b.position?.advance ?? ""}`,
)}
${list(lanes, broadcast)}
}`,
  };
}

/** A loop over the rows, so that there are few places that store: each is compiled once a lane. */
function storeRows(product: Product, vec: boolean, { lanes, perLane, stores }: Tile): string {
  const turns = (lanes * perLane) / stores;
  return `
let limit = rows - first;
for (var turn = 0u; turn < min(limit, ${turns}u); turn++) {
${list(stores, (s) => {
  const names = Array.from({ length: turns }, (_, r) => `y${s * turns + r}`);
  return `let i${s} = turn + ${s * turns}u;
if (i${s} < limit) {
let v = ${choose(names, "turn")};
${storeFour(product, vec, `(first + i${s})`, "four", "v")}
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

/** The kernels of a product for software adapters, in vec4 or not, for few rows or many. */
export function subgroupKernels<Names extends string>(
  { product, extent, tensors, notInFours }: Problem<Names>,
  stores: number,
): Kernel[] {
  const lanesOf = ({ subgroupSize }: KernelContext) => subgroupSize ?? 1;
  const variant = (vec: boolean, perLane: number): Kernel =>
    kernel<Names>({
      name: `subgroup${vec ? "" : "Scalar"}${perLane === most ? "" : perLane}`,
      family: "software",
      enables: ["subgroups"],
      workgroup: (context) => [lanesOf(context), 1, 1],
      vec: vec ? tensors : [],
      rejects: (sizes, { subgroupSize }) => {
        if (subgroupSize === undefined) return "the adapter's subgroups have no fixed size";
        if (subgroupSize > mostLanes) return `subgroups of ${subgroupSize} need too many registers`;
        const [, rows] = extent(sizes);
        if (perLane < most && rows > perLane * subgroupSize)
          return `${rows} rows are more than ${perLane} a lane`;
        return vec ? notInFours(sizes) : undefined;
      },
      groups: (sizes, context) => {
        const [columns, rows, products] = extent(sizes);
        const lanes = lanesOf(context);
        return [cover(columns, 4 * lanes), cover(rows, perLane * lanes), products];
      },
      body: (_, context) =>
        subgroupTile(product(vec), vec, {
          lanes: lanesOf(context),
          perLane,
          stores: perLane < most ? 1 : stores,
        }),
    });
  // The fewest rows that do: those past the last are computed, and thrown away.
  const perLane = product(true).a.contiguous === "steps" ? [1, 2, most] : [most];
  return [true, false].flatMap((vec) => perLane.map((n) => variant(vec, n)));
}
