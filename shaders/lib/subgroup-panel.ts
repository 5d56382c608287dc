import { cover, type Kernel, type KernelContext, kernel, type Sizes } from "../../src/kernel";
import { type Load, list, load, loadTexel, type Problem, type Product, storeFour } from "./product";
import { lanesOf, opening, share, tileShare, worthTextures } from "./subgroup-tile";

// For software adapters. The accumulators of a tile are more than the registers hold: they are read and written every few
// steps. Here it is the right factor that lies in memory, a panel of as many steps as the nearest cache has room for: it is
// loaded once, and is an operand of the multiplications from then on. One or two rows of accumulators stay in registers for
// all its steps, and the rows are a loop, which its code does not grow with. Of a longer sum, one panel after the other is
// loaded, and workgroup memory keeps what the rows have so far.

/** What is kept of the right factor, and how many rows are summed at a time. */
interface Panel {
  readonly lanes: number;
  readonly steps: number;
  /** Groups of four columns a lane. */
  readonly groups: number;
  readonly rows: number;
  /** Whether it is of a part of the sum. */
  readonly isPart: boolean;
  /** Rows that one panel is loaded for. */
  readonly tileRows: number;
}

/** Fewer steps do not pay for storing their sums; a panel of more, with the rows that pass by, leaves the nearest cache. */
const fewestSteps = 32;
const mostSteps = 192;
/** So many, and the panel may be twice as wide, which loads every row half as often. */
const shortSteps = 64;
/** Longer sums have parts of at least so many steps, and at most `shortSteps`. */
const fewestOfPart = 40;
const mostTileRows = 128;
/** Fewer workgroups do not keep all cores busy. */
const fewestGroups = 4;

/** Steps of a part of a sum: a fraction in fours, if there is one. */
function stepsOfPart(length: number): number | undefined {
  for (let steps = shortSteps; steps >= fewestOfPart; steps -= 4) if (length % steps === 0) return steps;
  return undefined;
}

/** Two groups of one row or one of two rows: four vectors each, which hide each other's latency. */
function panelOf(length: number, context: KernelContext): Panel {
  const isWide = length <= shortSteps;
  return {
    lanes: lanesOf(context),
    steps: length,
    groups: isWide ? 2 : 1,
    rows: isWide ? 1 : 2,
    isPart: false,
    tileRows: mostTileRows,
  };
}

function partOf(length: number, context: KernelContext): Panel {
  const lanes = lanesOf(context);
  const groups = 2;
  const inMemory = Math.floor(context.limits.maxComputeWorkgroupStorageSize / (16 * groups * lanes));
  const steps = stepsOfPart(length) ?? shortSteps;
  return { lanes, steps, groups, rows: 1, isPart: true, tileRows: Math.min(mostTileRows, inMemory) };
}

function panelTile(product: Product, panel: Panel): string {
  const { lanes, steps, groups, rows, isPart, tileRows } = panel;
  const { a, from, to } = product;
  // The four products first: a sum of one at a time would wait for the one before it.
  const sum = (k: number, q: number, g: number) =>
    `y${q}_${g} += ${list(4, (s) => `s${q}.${"xyzw"[s]} * b${4 * k + s}_${g}`, " + ")};`;
  const four = (k: number) => `{
${list(rows, (q) => `let s${q} = subgroupBroadcast(a${q}_${Math.floor(k / lanes)}, ${k % lanes}u);`)}
${list(rows, (q) => list(groups, (g) => sum(k, q, g)))}
}`;
  const column = (g: number) => `(four + ${g * lanes}u)`;
  const kept = (q: number, g: number) => `sums[(turn + ${q}u) * ${groups * lanes}u + lane + ${g * lanes}u]`;
  // Lanes past the last step load what no other lane asks for.
  const row = (q: number) => `${a.walk === undefined ? a.line(q, `first + turn + ${q}u`) : a.walk.line}
${a.turn?.(q) ?? ""}
${list(cover(steps / 4, lanes), (n) => `let a${q}_${n} = ${a.load(q, `(start + lane + ${n * lanes}u)`)};`)}
${list(groups, (g) => `var y${q}_${g} = ${isPart ? kept(q, g) : "vec4f()"};`)}`;
  const store = (q: number, value: (g: number) => string) => `if (turn + ${q}u < limit) {
${list(groups, (g) => storeFour(product, true, `(first + turn + ${q}u)`, column(g), value(g)))}
}`;
  const keep = (q: number) => list(groups, (g) => `${kept(q, g)} = y${q}_${g};`);
  const part = `${loadPanel(product, panel)}
${a.walk?.start ?? ""}
for (var turn = 0u; turn < limit; turn += ${rows}u) {
${list(rows, row)}
${list(steps / 4, four)}
${list(rows, (q) => (isPart ? keep(q) : store(q, (g) => `y${q}_${g}`)))}
${a.walk?.advance ?? ""}
}`;
  const loop = `for (var start = ${from}; start < ${to}; start += ${steps / 4}u) {
${part}
}`;
  const all = isPart
    ? `${product.loops === undefined ? loop : product.loops(loop)}
for (var turn = 0u; turn < limit; turn++) {
${store(0, (g) => kept(0, g))}
}`
    : `let start = 0u;
${part}`;
  return `${isPart ? `var<workgroup> sums: array<vec4f, ${tileRows * groups * lanes}>;` : ""}
${opening(product, tileRows, lanes * groups)}
  let limit = min(rows - first, ${tileRows}u);
${a.walk?.first("first") ?? ""}
${all}
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

/** What the variants of a problem have in common; a factor that is not among the textures comes from its buffer. */
function variantOf<Names extends string>(
  problem: Problem<Names>,
  name: string,
  panelAt: (sizes: Sizes<Names>, context: KernelContext) => Panel,
  textures: readonly string[],
  rejects: (sizes: Sizes<Names>) => string | undefined,
  suits: (sizes: Sizes<Names>, across: number) => boolean,
): Kernel {
  const { product, extent, tensors, notInFours } = problem;
  const read: Load = (width, tensor, index, inside) =>
    (textures.includes(tensor) ? loadTexel : load)(width, tensor, index, inside);
  const grid = (sizes: Sizes<Names>, context: KernelContext) => {
    const { lanes, groups, tileRows } = panelAt(sizes, context);
    const [columns, rows, products] = extent(sizes);
    return [cover(columns, 4 * groups * lanes), cover(rows, tileRows), products] as const;
  };
  return kernel<Names>({
    name,
    family: "software",
    enables: ["subgroups"],
    workgroup: (context) => [lanesOf(context), 1, 1],
    vec: tensors,
    textures,
    rejects: (sizes) => rejects(sizes) ?? notInFours(sizes),
    suits: (sizes, context) => {
      const { lanes, groups } = panelAt(sizes, context);
      const [across, down, products] = grid(sizes, context);
      return (
        suits(sizes, across) &&
        across * down * products >= fewestGroups &&
        worthTextures(problem, sizes) &&
        share(extent(sizes)[0], 4 * groups * lanes) >= tileShare
      );
    },
    groups: grid,
    body: (sizes, context) => panelTile(product(true, read), panelAt(sizes, context)),
  });
}

/** The kernel of a product whose left factor lies along the steps, for short sums without loops around them. */
export const panelKernel = <Names extends string>(problem: Problem<Names>): Kernel =>
  variantOf(
    problem,
    "subgroupPanel",
    (sizes, context) => panelOf(problem.length(sizes), context),
    problem.tensors.slice(0, 2),
    (sizes) => {
      const length = problem.length(sizes);
      return length > mostSteps ? `a sum of ${length} is longer than ${mostSteps} steps` : undefined;
    },
    (sizes) => problem.length(sizes) >= fewestSteps,
  );

/**
 * The kernels of a product whose left factor lies along the steps, for sums in parts: that factor comes from a texture, or
 * from its buffer where every value of it is read but once.
 */
export function sumsKernels<Names extends string>(problem: Problem<Names>): Kernel[] {
  const { length, innerLength = length, tensors } = problem;
  type Suits = Parameters<typeof variantOf<Names>>[5];
  const variant = (name: string, textures: readonly string[], suits: Suits) =>
    variantOf(
      problem,
      name,
      (sizes, context) => partOf(innerLength(sizes), context),
      textures,
      (sizes) =>
        stepsOfPart(innerLength(sizes)) === undefined
          ? `a sum of ${innerLength(sizes)} has no parts of ${fewestOfPart} to ${shortSteps} steps`
          : undefined,
      suits,
    );
  // Inputs that a stride leaves out make the mean length less than that of the others.
  const isLong = (sizes: Sizes<Names>) => Math.max(length(sizes), innerLength(sizes)) > mostSteps;
  const hasOneTap = (sizes: Sizes<Names>) => innerLength(sizes) === length(sizes);
  return [
    variant(
      "subgroupSumsBuffer",
      tensors.slice(1, 2),
      (sizes, across) => isLong(sizes) && hasOneTap(sizes) && across === 1,
    ),
    variant("subgroupSums", tensors.slice(0, 2), isLong),
  ];
}
