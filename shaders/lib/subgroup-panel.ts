import { cover, type Kernel, type KernelContext, kernel } from "../../src/kernel";
import { list, loadTexel, type PlainProduct, type Problem, type Product } from "./product";
import { lanesOf, opening, share, tileShare, worthTextures } from "./subgroup-tile";

// For software adapters. The accumulators of a tile are more than the registers hold: they are read and written every few
// steps. Here it is the right factor that lies in memory, a panel of as many steps as the nearest cache has room for: it is
// loaded once, and is an operand of the multiplications from then on. One or two rows of accumulators stay in registers for
// all its steps, and the rows are a loop, which its code does not grow with. Of a longer sum the output keeps the parts.

/** What is kept of the right factor, and how many rows are summed at a time. */
interface Panel {
  readonly lanes: number;
  readonly steps: number;
  /** Groups of four columns a lane. */
  readonly groups: number;
  readonly rows: number;
  /** Whether it is of the whole sum: a longer one has parts, each with a panel of its own. */
  readonly isOnly: boolean;
}

/** Fewer steps do not pay for storing their sums; a panel of more, with the rows that pass by, leaves the nearest cache. */
const fewestSteps = 32;
const mostSteps = 192;
/** So many, and the panel may be twice as wide, which loads every row half as often. */
const shortSteps = 64;
/** Longer sums have parts of so many steps at least and at most: the output is read and written once more for each. */
const [fewestOfPart, mostOfPart] = [80, 128];
/** Rows that one panel is loaded for. */
const tileRows = 128;

/** Steps of a part of a sum: all of a short one, else a fraction in fours, if there is one. */
function stepsOf(length: number): number | undefined {
  if (length <= mostSteps) return length;
  for (let steps = mostOfPart; steps >= fewestOfPart; steps -= 4) if (length % steps === 0) return steps;
  return undefined;
}

/** Two groups of one row or one of two rows: four vectors each, which hide each other's latency. */
function panelOf(length: number, context: KernelContext): Panel {
  const steps = stepsOf(length) ?? mostOfPart;
  const isShort = steps <= shortSteps;
  return {
    lanes: lanesOf(context),
    steps,
    groups: isShort ? 2 : 1,
    rows: isShort ? 1 : 2,
    isOnly: steps === length,
  };
}

function panelTile(product: PlainProduct, panel: Panel): string {
  const { lanes, steps, groups, rows, isOnly } = panel;
  const { a, at } = product;
  // The four products first: a sum of one at a time would wait for the one before it.
  const sum = (k: number, q: number, g: number) =>
    `y${q}_${g} += ${list(4, (s) => `s${q}.${"xyzw"[s]} * b${4 * k + s}_${g}`, " + ")};`;
  const four = (k: number) => `{
${list(rows, (q) => `let s${q} = subgroupBroadcast(a${q}_${Math.floor(k / lanes)}, ${k % lanes}u);`)}
${list(rows, (q) => list(groups, (g) => sum(k, q, g)))}
}`;
  const column = (g: number) => `(four + ${g * lanes}u)`;
  const place = (q: number, g: number) => at(`(first + r + ${q}u)`, column(g));
  // Lanes past the last step load what no other lane asks for.
  const row = (q: number) => `${a.line(q, `first + r + ${q}u`)}
${list(cover(steps / 4, lanes), (n) => `let a${q}_${n} = ${a.load(q, `(start + lane + ${n * lanes}u)`)};`)}
${list(
  groups,
  (g) => `var y${q}_${g} = vec4f();
${isOnly ? "" : `if (start > 0u) { y${q}_${g} = kept_y(${place(q, g)}); }`}`,
)}`;
  const store = (q: number) => `if (r + ${q}u < limit) {
${list(groups, (g) => `if (${column(g)} < columns / 4u) { store_y(${place(q, g)}, ${column(g)}, y${q}_${g}, isLast); }`)}
}`;
  const part = `${loadPanel(product, panel)}
let isLast = ${isOnly ? "true" : `start + ${steps / 4}u >= ${product.to}`};
for (var r = 0u; r < limit; r += ${rows}u) {
${list(rows, row)}
${list(steps / 4, four)}
${list(rows, store)}
}`;
  return `${opening(product, tileRows, lanes * groups)}
  let limit = min(rows - first, ${tileRows}u);
${
  isOnly
    ? `let start = 0u;
${part}`
    : `for (var start = 0u; start < ${product.to}; start += ${steps / 4}u) {
${part}
}`
}
}`;
}

/** `b<step>_<group>`: four columns of the right factor at a step; the panel begins with four number `start`. */
function loadPanel({ b }: Product, { lanes, steps, groups }: Panel): string {
  const at = (g: number) => `(four + ${g * lanes}u)`;
  if (b.contiguous === "lines")
    return `${list(groups, (g) => b.line(g, at(g)))}
${list(steps, (s) => list(groups, (g) => `let b${s}_${g} = ${b.load(g, `(start * 4u + ${s}u)`)};`))}`;
  const column = (g: number, c: number) => g * 4 + c;
  const values = (t: number, g: number) => {
    const loaded = (c: number) => `c${t}_${column(g, c)}`;
    return `${list(4, (c) => `let ${loaded(c)} = ${b.load(column(g, c), `(start + ${t}u)`)};`)}
${list(4, (s) => `let b${4 * t + s}_${g} = vec4f(${list(4, (c) => `${loaded(c)}.${"xyzw"[s]}`, ", ")});`)}`;
  };
  return `${list(groups, (g) => list(4, (c) => b.line(column(g, c), `${at(g)} * 4u + ${c}u`)))}
${list(steps / 4, (t) => list(groups, (g) => values(t, g)))}`;
}

/** The kernel of a product whose left factor lies along the steps. */
export function panelKernel<Names extends string>(problem: Problem<Names, PlainProduct>): Kernel {
  const { product, extent, tensors, notInFours, length } = problem;
  return kernel<Names>({
    name: "subgroupPanel",
    family: "software",
    enables: ["subgroups"],
    workgroup: (context) => [lanesOf(context), 1, 1],
    vec: tensors,
    textures: tensors.slice(0, 2),
    keepsSums: true,
    rejects: (sizes) =>
      stepsOf(length(sizes)) === undefined
        ? `sums of ${length(sizes)} have no parts of ${fewestOfPart} to ${mostOfPart} steps`
        : notInFours(sizes),
    suits: (sizes, context) => {
      const { lanes, groups } = panelOf(length(sizes), context);
      return (
        length(sizes) >= fewestSteps &&
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
