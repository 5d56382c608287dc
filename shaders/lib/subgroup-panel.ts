import { cover, type Kernel, type KernelContext, kernel } from "../../src/kernel";
import { list, loadTexel, type Problem, type Product, storeFour } from "./product";
import { lanesOf, rejectsSubgroups, share, tileShare, worthTextures } from "./subgroup-tile";

// For software adapters, and sums of few steps. The accumulators of a tile are more than the registers hold: they are read
// and written every few steps. Here it is the right factor that lies in memory, all that a tile's columns need of it: it
// is loaded once, and is an operand of the multiplications from then on. One or two rows of accumulators stay in registers
// for all steps, and the rows are a loop, which its code does not grow with.

/** What is kept of the right factor, and how many rows are summed at a time. */
interface Panel {
  readonly lanes: number;
  readonly steps: number;
  /** Groups of four columns a lane. */
  readonly groups: number;
  readonly rows: number;
}

/** Fewer steps do not pay for storing their sums; a panel of more, with the rows that pass by, leaves the nearest cache. */
const fewestSteps = 32;
const mostSteps = 192;
/** So many, and the panel may be twice as wide, which loads every row half as often. */
const shortSteps = 64;
/** Rows that one panel is loaded for. */
const tileRows = 128;

/** Two groups of one row or one of two rows: four vectors each, which hide each other's latency. */
function panelOf(steps: number, context: KernelContext): Panel {
  const isShort = steps <= shortSteps;
  return { lanes: lanesOf(context), steps, groups: isShort ? 2 : 1, rows: isShort ? 1 : 2 };
}

function panelTile(product: Product, panel: Panel): string {
  const { lanes, steps, groups, rows } = panel;
  const { a } = product;
  // The four products first: a sum of one at a time would wait for the one before it.
  const sum = (k: number, q: number, g: number) =>
    `y${q}_${g} += ${list(4, (s) => `s${q}.${"xyzw"[s]} * b${4 * k + s}_${g}`, " + ")};`;
  const four = (k: number) => `{
${list(rows, (q) => `let s${q} = subgroupBroadcast(a${q}_${Math.floor(k / lanes)}, ${k % lanes}u);`)}
${list(rows, (q) => list(groups, (g) => sum(k, q, g)))}
}`;
  // Lanes past the last step load what no other lane asks for.
  const row = (q: number) => `${a.line(q, `first + r + ${q}u`)}
${list(cover(steps / 4, lanes), (n) => `let a${q}_${n} = ${a.load(q, `(lane + ${n * lanes}u)`)};`)}
${list(groups, (g) => `var y${q}_${g} = vec4f();`)}`;
  const store = (q: number) => `if (r + ${q}u < limit) {
${list(groups, (g) => storeFour(product, true, `(first + r + ${q}u)`, `(four + ${g * lanes}u)`, `y${q}_${g}`))}
}`;
  return `${product.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let lane = local.x;
${product.setup}
  let rows = ${product.rows};
  let columns = ${product.columns};
  let first = group.y * ${tileRows}u;
  let four = group.x * ${lanes * groups}u + lane;
  if (first >= rows) { return; }
${loadPanel(product, panel)}
let limit = min(rows - first, ${tileRows}u);
for (var r = 0u; r < limit; r += ${rows}u) {
${list(rows, row)}
${list(steps / 4, four)}
${list(rows, store)}
}
}`;
}

/** `b<step>_<group>`: four columns of the right factor at a step. */
function loadPanel({ b }: Product, { lanes, steps, groups }: Panel): string {
  const at = (g: number) => `(four + ${g * lanes}u)`;
  if (b.contiguous === "lines")
    return `${list(groups, (g) => b.line(g, at(g)))}
${list(steps, (s) => list(groups, (g) => `let b${s}_${g} = ${b.load(g, `${s}u`)};`))}`;
  const column = (g: number, c: number) => g * 4 + c;
  return `${list(groups, (g) => list(4, (c) => b.line(column(g, c), `${at(g)} * 4u + ${c}u`)))}
${list(steps / 4, (t) =>
  list(
    groups,
    (g) => `${list(4, (c) => `let c${t}_${column(g, c)} = ${b.load(column(g, c), `${t}u`)};`)}
${list(4, (s) => `let b${4 * t + s}_${g} = vec4f(${list(4, (c) => `c${t}_${column(g, c)}.${"xyzw"[s]}`, ", ")});`)}`,
  ),
)}`;
}

/** The kernel of a product whose left factor lies along the `K` steps, for few of them. */
export function panelKernel<Names extends string>(problem: Problem<Names>): Kernel {
  const { product, extent, tensors, notInFours, length } = problem;
  return kernel<Names>({
    name: "subgroupPanel",
    family: "software",
    enables: ["subgroups"],
    workgroup: (context) => [lanesOf(context), 1, 1],
    vec: tensors,
    textures: tensors.slice(0, 2),
    constants: ["K"],
    rejects: (sizes, { subgroupSize }) => {
      const steps = length(sizes);
      if (steps > mostSteps) return `sums of ${steps} are longer than ${mostSteps}`;
      return rejectsSubgroups(subgroupSize, true) ?? notInFours(sizes);
    },
    suits: (sizes, context) => {
      const { lanes, groups, steps } = panelOf(length(sizes), context);
      return (
        steps >= fewestSteps &&
        worthTextures(problem, sizes) &&
        share(extent(sizes)[0], 4 * groups * lanes) >= tileShare
      );
    },
    groups: (sizes, context) => {
      const { lanes, groups } = panelOf(length(sizes), context);
      const [columns, rows, products] = extent(sizes);
      return [cover(columns, 4 * groups * lanes), cover(rows, tileRows), products];
    },
    body: (sizes, context) => panelTile(product(true, loadTexel), panelOf(length(sizes), context)),
  });
}
