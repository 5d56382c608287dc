import { cover, type Kernel, type KernelContext, kernel, type Sizes } from "../../src/kernel";
import { type Load, list, load, loadTexel, type PlainProduct, type Problem, type Product } from "./product";
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

function panelTile(product: PlainProduct, panel: Panel): string {
  const { lanes, steps, groups, rows, isPart, tileRows } = panel;
  const { a, at } = product;
  // The four products first: a sum of one at a time would wait for the one before it.
  const sum = (k: number, q: number, g: number) =>
    `y${q}_${g} += ${list(4, (s) => `s${q}.${"xyzw"[s]} * b${4 * k + s}_${g}`, " + ")};`;
  const four = (k: number) => `{
${list(rows, (q) => `let s${q} = subgroupBroadcast(a${q}_${Math.floor(k / lanes)}, ${k % lanes}u);`)}
${list(rows, (q) => list(groups, (g) => sum(k, q, g)))}
}`;
  const column = (g: number) => `(four + ${g * lanes}u)`;
  const kept = (q: number, g: number) => `sums[(r + ${q}u) * ${groups * lanes}u + lane + ${g * lanes}u]`;
  // Lanes past the last step load what no other lane asks for.
  const row = (q: number) => `${a.line(q, `first + r + ${q}u`)}
${list(cover(steps / 4, lanes), (n) => `let a${q}_${n} = ${a.load(q, `(start + lane + ${n * lanes}u)`)};`)}
${list(groups, (g) => `var y${q}_${g} = ${isPart ? kept(q, g) : "vec4f()"};`)}`;
  const store = (q: number, value: (g: number) => string) => `if (r + ${q}u < limit) {
${list(groups, (g) => `if (${column(g)} < columns / 4u) { store_y(${at(`(first + r + ${q}u)`, column(g))}, ${column(g)}, ${value(g)}); }`)}
}`;
  const keep = (q: number) => list(groups, (g) => `${kept(q, g)} = y${q}_${g};`);
  const part = `${loadPanel(product, panel)}
for (var r = 0u; r < limit; r += ${rows}u) {
${list(rows, row)}
${list(steps / 4, four)}
${list(rows, (q) => (isPart ? keep(q) : store(q, (g) => `y${q}_${g}`)))}
}`;
  const all = isPart
    ? `for (var start = 0u; start < ${product.to}; start += ${steps / 4}u) {
${part}
}
for (var r = 0u; r < limit; r++) {
${store(0, (g) => kept(0, g))}
}`
    : `let start = 0u;
${part}`;
  return `${isPart ? `var<workgroup> sums: array<vec4f, ${tileRows * groups * lanes}>;` : ""}
${opening(product, tileRows, lanes * groups)}
  let limit = min(rows - first, ${tileRows}u);
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

const rightTexel: Load = (width, tensor, index, inside) =>
  (tensor === "a" ? load : loadTexel)(width, tensor, index, inside);

/**
 * The kernels of a product whose left factor `a` lies along the steps: for short sums, and for sums in parts, where `a` is
 * read from a texture, or from its buffer where that is done but once.
 */
export function panelKernels<Names extends string>(problem: Problem<Names, PlainProduct>): Kernel[] {
  const { product, extent, tensors, notInFours, length } = problem;
  const variant = (
    name: string,
    panelAt: typeof panelOf,
    textures: readonly string[],
    own: Pick<Kernel<Sizes<Names>>, "rejects"> & {
      readonly suits: (sizes: Sizes<Names>, tiles: number) => boolean;
    },
  ) => {
    const groups = (sizes: Sizes<Names>, context: KernelContext) => {
      const { lanes, groups, tileRows } = panelAt(length(sizes), context);
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
      rejects: (sizes, context) => own.rejects?.(sizes, context) ?? notInFours(sizes),
      suits: (sizes, context) => {
        const { lanes, groups: fours } = panelAt(length(sizes), context);
        const [across, down, products] = groups(sizes, context);
        return (
          own.suits(sizes, across) &&
          across * down * products >= fewestGroups &&
          worthTextures(problem, sizes) &&
          share(extent(sizes)[0], 4 * fours * lanes) >= tileShare
        );
      },
      groups,
      body: (sizes, context) =>
        panelTile(
          product(true, textures.includes("a") ? loadTexel : rightTexel),
          panelAt(length(sizes), context),
        ),
    });
  };
  const rejectsLong = (sizes: Sizes<Names>) =>
    length(sizes) > mostSteps ? `a sum of ${length(sizes)} is longer than ${mostSteps} steps` : undefined;
  const rejectsWhole = (sizes: Sizes<Names>) =>
    stepsOfPart(length(sizes)) === undefined
      ? `a sum of ${length(sizes)} has no parts of ${fewestOfPart} to ${shortSteps} steps`
      : undefined;
  const isLong = (sizes: Sizes<Names>) => length(sizes) > mostSteps;
  return [
    variant("subgroupPanel", panelOf, ["a", "b"], {
      rejects: rejectsLong,
      suits: (sizes) => length(sizes) >= fewestSteps,
    }),
    variant("subgroupSumsBuffer", partOf, ["b"], {
      rejects: rejectsWhole,
      suits: (sizes, across) => isLong(sizes) && across === 1,
    }),
    variant("subgroupSums", partOf, ["a", "b"], { rejects: rejectsWhole, suits: isLong }),
  ];
}
