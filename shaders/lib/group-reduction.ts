import { list } from "./product";

// Reductions over the threads of a workgroup, through workgroup memory; all threads must call and all get the result.
// The first barrier lets the next call reuse the memory.

const reduction = (name: string, threads: number, combine: string): string => /* wgsl */ `
var<workgroup> ${name}Scratch: array<f32, ${threads}>;
fn ${name}(v: f32, at: u32) -> f32 {
  workgroupBarrier();
  ${name}Scratch[at] = v;
  for (var span = ${threads / 2}u; span > 0u; span >>= 1u) {
    workgroupBarrier();
    if (at < span) {
      let a = ${name}Scratch[at];
      let b = ${name}Scratch[at + span];
      ${name}Scratch[at] = ${combine};
    }
  }
  workgroupBarrier();
  return ${name}Scratch[0];
}
`;

/** @param threads a power of two */
export const sumOfGroup = (threads: number): string => reduction("sumOfGroup", threads, "a + b");
/** @param threads a power of two */
export const maxOfGroup = (threads: number): string => reduction("maxOfGroup", threads, "max(a, b)");

/**
 * Adds up a value of type `T` over rows of threads, each column by itself: thread `at` is in column `at % columns`.
 *
 * @param rows a power of two
 */
export const sumOfRows = (columns: number, rows: number): string =>
  rows === 1
    ? "fn sumOfRows(own: T, at: u32) -> T { return own; }"
    : /* wgsl */ `
var<workgroup> rowsScratch: array<T, ${rows * columns}>;
fn sumOfRows(own: T, at: u32) -> T {
  workgroupBarrier();
  rowsScratch[at] = own;
  for (var span = ${(rows * columns) / 2}u; span >= ${columns}u; span >>= 1u) {
    workgroupBarrier();
    if (at < span) { rowsScratch[at] += rowsScratch[at + span]; }
  }
  workgroupBarrier();
  return rowsScratch[at % ${columns}u];
}
`;

/** Slices of equally many values, to be added up value by value. */
interface Slices {
  /** The tensor that holds them one after another. */
  readonly of: string;
  readonly count: string;
  /** Elements of a slice. */
  readonly size: string;
  /** Stores `total` as element `i`. */
  readonly store: string;
}

/**
 * Adds every `by`-th slice to `sum`, from slice `from` on and in order: element `i` of `size`. Four loads are on their way
 * at a time.
 */
export const addSlices = ({ of, count }: Pick<Slices, "of" | "count">, from: string, by: number): string => {
  const value = (k: number) => `T(${of}[(z + ${k * by}u) * size + i])`;
  return /* wgsl */ `
  let count = ${count};
  var z = ${from};
  for (; z + ${3 * by}u < count; z += ${4 * by}u) {
${list(4, (k) => `    let x${k} = ${value(k)};`)}
    sum = sum + x0 + x1 + x2 + x3;
  }
  for (; z < count; z += ${by}u) { sum += ${value(0)}; }`;
};

/**
 * The body of a kernel whose workgroups are columns wide and rows high: the rows of threads share the slices.
 *
 * @param rows a power of two
 */
export const sumOfSlices = (columns: number, rows: number, slices: Slices): string => /* wgsl */ `
${sumOfRows(columns, rows)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  let size = ${slices.size};
  var sum = T(0.0);
  if (i < size) {
${addSlices(slices, "local.y", rows)}
  }
  let total = sumOfRows(sum, local.y * ${columns}u + local.x);
  if (local.y == 0u && i < size) { ${slices.store} }
}`;
