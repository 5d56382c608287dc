import { list } from "./product";

// The transforms of F(2×2, 3×3) and F(4×4, 3×3): Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2015.

/** Outputs along a side of a tile. */
export type Side = 2 | 4;
export const sideOf = (side: unknown): Side => (side === 4 ? 4 : 2);
/** Inputs along a side of a tile of 3×3 windows, and products. */
export const places = (side: Side): number => side + 2;

/** A linear map from some values side by side to others, as a matrix. */
type Matrix = readonly (readonly number[])[];
const transposed = (m: Matrix): Matrix => (m[0] ?? []).map((_, column) => m.map((row) => row[column] ?? 0));

interface Transforms {
  /** Bᵀ: the inputs of a tile. */
  readonly input: Matrix;
  /** G: three taps. */
  readonly weights: Matrix;
  /** Aᵀ: the products of a tile. */
  readonly output: Matrix;
}

/** By the points 0, 1, -1 and infinity. */
const two: Transforms = {
  input: [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, 1, 0, -1],
  ],
  weights: [
    [1, 0, 0],
    [0.5, 0.5, 0.5],
    [0.5, -0.5, 0.5],
    [0, 0, 1],
  ],
  output: [
    [1, 1, 1, 0],
    [0, 1, -1, -1],
  ],
};

/**
 * By the points 0, a, -a, b, -b and infinity. With 3/4 and 3/2, whose powers are as exact as those of the usual 1 and 2,
 * rounding does half the harm: about twice that of adding up the definition's products one after the other.
 */
const four = ((a: number, b: number): Transforms => {
  const [aa, bb] = [a * a, b * b];
  /** What the product of the point's distances to all others divides. */
  const weight = (p: number, others: number) => [1, p, p * p].map((v) => v / others);
  return {
    input: [
      [aa * bb, 0, -(aa + bb), 0, 1, 0],
      [0, -a * bb, -bb, a, 1, 0],
      [0, a * bb, -bb, -a, 1, 0],
      [0, -b * aa, -aa, b, 1, 0],
      [0, b * aa, -aa, -b, 1, 0],
      [0, aa * bb, 0, -(aa + bb), 0, 1],
    ],
    weights: [
      weight(0, aa * bb),
      weight(a, 2 * aa * (aa - bb)),
      weight(-a, 2 * aa * (aa - bb)),
      weight(b, 2 * bb * (bb - aa)),
      weight(-b, 2 * bb * (bb - aa)),
      [0, 0, 1],
    ],
    output: [0, 1, 2, 3].map((k) => [k === 0 ? 1 : 0, a ** k, (-a) ** k, b ** k, (-b) ** k, k === 3 ? 1 : 0]),
  };
})(3 / 4, 3 / 2);

const transforms: Readonly<Record<Side, Transforms>> = { 2: two, 4: four };

/** Σ factor · name; factors of one magnitude are taken out of their sum. */
function combination(factors: readonly number[], name: (k: number) => string): string {
  const magnitudes = [...new Set(factors.map(Math.abs))].filter((size) => size !== 0);
  const sums = magnitudes.map((size) => {
    const terms = factors.flatMap((f, k) =>
      Math.abs(f) === size ? [{ sign: f < 0 ? "-" : "+", of: name(k) }] : [],
    );
    // A sum that begins with a minus is the negative of one that does not.
    const first = terms[0]?.sign ?? "+";
    const sum = terms
      .map(({ sign, of }) => `${sign === first ? "+" : "-"} ${of}`)
      .join(" ")
      .slice(2);
    const product = size === 1 ? sum : `${terms.length > 1 ? `(${sum})` : sum} * ${size}`;
    return { sign: first, text: size === 1 && terms.length > 1 && first === "-" ? `(${product})` : product };
  });
  // One that is added stands first, where there is one.
  sums.sort((s, t) => (s.sign === t.sign ? 0 : s.sign === "+" ? -1 : 1));
  return sums
    .map(({ sign, text }, k) => (k === 0 ? (sign === "-" ? `-${text}` : text) : `${sign} ${text}`))
    .join(" ");
}

/** The numbers of lines that differ only in some signs, which come in pairs: those of a point and of its negative. */
function pairsOf(m: Matrix): number[] {
  const isPair = (x: readonly number[] = [], y: readonly number[] = []) =>
    x.every((f, k) => Math.abs(f) === Math.abs(y[k] ?? 0)) &&
    x.some((f, k) => f !== 0 && f === y[k]) &&
    x.some((f, k) => f !== 0 && f !== y[k]);
  return m.flatMap((row, k) => (k % 2 === 1 && k + 1 < m.length && isPair(row, m[k + 1]) ? [k] : []));
}

/** y = m x for values along one line: a point's and its negative's results share all but one addition. */
function along(m: Matrix, x: (k: number) => string, y: (k: number) => string): string {
  const columns = pairsOf(transposed(m));
  if (columns.length > 0) {
    // Of a pair of values only the sum and the difference are needed.
    const sums = columns.map((k) => `let ${y(0)}s${k} = ${x(k)} + ${x(k + 1)};`);
    const differences = columns.map((k) => `let ${y(0)}d${k} = ${x(k)} - ${x(k + 1)};`);
    const inPair = (c: number) => columns.find((k) => c === k || c === k + 1);
    const rows = m.map((row, r) => {
      const names = row.map((f, c) => {
        const k = inPair(c);
        return k === undefined ? x(c) : `${y(0)}${f === row[k + 1] ? "s" : "d"}${k}`;
      });
      const factors = row.map((f, c) => (inPair(c) === c - 1 ? 0 : f));
      return `let ${y(r)} = ${combination(factors, (c) => names[c] ?? "")};`;
    });
    return [...sums, ...differences, ...rows].join("\n");
  }
  const pairs = pairsOf(m);
  const inPair = (r: number) => pairs.some((k) => r === k || r === k + 1);
  return [
    ...pairs.map((k) => {
      const [plus = [], minus = []] = [m[k], m[k + 1]];
      const part = (isEven: boolean) => plus.map((f, c) => ((f === minus[c]) === isEven ? f : 0));
      return `let ${y(k)}even = ${combination(part(true), x)};
let ${y(k)}odd = ${combination(part(false), x)};
let ${y(k)} = ${y(k)}even + ${y(k)}odd;
let ${y(k + 1)} = ${y(k)}even - ${y(k)}odd;`;
    }),
    ...m.flatMap((row, r) => (inPair(r) ? [] : [`let ${y(r)} = ${combination(row, x)};`])),
  ].join("\n");
}

/** From `x` row by row, m x mᵀ as the variables `y` row by row: first the columns, then the rows. */
function sandwich(m: Matrix, x: string, y: string): string {
  const columns = list(m[0]?.length ?? 0, (c) =>
    along(
      m,
      (k) => `${x}${k}_${c}`,
      (i) => `${y}half${i}_${c}`,
    ),
  );
  const rows = list(m.length, (i) =>
    along(
      m,
      (k) => `${y}half${i}_${k}`,
      (j) => `${y}${i}_${j}`,
    ),
  );
  return `${columns}\n${rows}`;
}

/** WGSL that maps the values `x` of a tile, row by row, to the variables `y`. */
const map =
  (matrix: (of: Transforms) => Matrix) =>
  (side: Side, x: string, y: string): string =>
    sandwich(matrix(transforms[side]), x, y);

/** Bᵀ d B */
export const inputTransform = map(({ input }) => input);
/** G g Gᵀ */
export const weightTransform = map(({ weights }) => weights);
/** Aᵀ m A */
export const outputTransform = map(({ output }) => output);
/** A dy Aᵀ */
export const gradientTransform = map(({ output }) => transposed(output));
/** Gᵀ m G */
export const filterTransform = map(({ weights }) => transposed(weights));
