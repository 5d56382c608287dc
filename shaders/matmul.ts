import { cover, type Kernel, kernel } from "../src/kernel";
import { type Factor, type Load, load, type Problem, type Product, slice, type Width } from "./lib/product";
import { panelKernel, sumsKernels } from "./lib/subgroup-panel";
import { subgroupKernels } from "./lib/subgroup-tile";
import { tiledKernels } from "./lib/workgroup-tile";
import { fewMatmulKernels, fewMatmulNTKernels, fewMatmulTNKernels } from "./matmul-few";
import { wgsl } from "./wgsl";

/** One output a thread, one plain loop over `k`; `a` and `b` are the indices of the two factors. */
const direct = (a: string, b: string): Kernel =>
  kernel<"M N K">({
    name: "direct",
    workgroup: [64, 1, 1],
    groups: ({ M, N }) => [cover(M * N, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= M * N) { return; }
  let m = i / N;
  let n = i % N;
  var sum = 0.0;
  for (var k = 0u; k < K; k++) { sum += f32(a[${a}]) * f32(b[${b}]); }
  store_y(i, n, sum);
}`,
  });

type Axis = "M" | "N" | "K";

/** How the values of a product are stored. */
const storedAt = (at: (row: string, column: string) => string): Pick<Product, "store"> => ({
  store: (row, column, value) => `store_y(${at(row, column)}, ${column}, ${value});`,
});

/** A factor whose lines are rows of its matrix: `tensor[line, step]`. */
const byRows = (width: Width, tensor: "a" | "b", lines: Axis, load: Load): Factor => ({
  contiguous: "steps",
  line: (k, at) => `let ${tensor}Line${k} = min(${at}, ${lines} - 1u) * (K / ${width}u);`,
  load: (k, step, live) => load(width, tensor, `${tensor}Line${k} + ${step}`, live),
});

/** A factor of one product of several: the rows of the matrices, one behind the other. */
const byRowsOfMany = (width: Width, tensor: "a" | "b", lines: Axis, load: Load): Factor => ({
  ...byRows(width, tensor, lines, load),
  line: (k, at) =>
    `let ${tensor}Line${k} = (group.z * ${lines} + min(${at}, ${lines} - 1u)) * (K / ${width}u);`,
});

/** A factor whose lines are columns of its matrix: `tensor[step, line]`. */
const byColumns = (width: Width, tensor: "a" | "b", lines: Axis, load: Load): Factor => ({
  contiguous: "lines",
  line: (k, at) => `let ${tensor}Line${k} = min(${at}, ${lines} / ${width}u - 1u);`,
  load: (k, step, live) => load(width, tensor, `${step} * (${lines} / ${width}u) + ${tensor}Line${k}`, live),
});

/** Why the tensors cannot be bound as vec4: one of their last axes. */
const inFours =
  <Names extends string>(last: readonly Names[]) =>
  (sizes: Readonly<Record<Names, number>>): string | undefined => {
    const odd = last.find((axis) => sizes[axis] % 4 !== 0);
    return odd === undefined ? undefined : `${odd} is ${sizes[odd]}, not a multiple of 4`;
  };

const problem = (left: typeof byRows, right: typeof byRows, last: readonly Axis[]): Problem<"M N K"> => ({
  product: (vec, read = load) => {
    const per = vec ? 4 : 1;
    return {
      setup: "",
      rows: "M",
      columns: "N",
      a: left(per, "a", "M", read),
      b: right(per, "b", "N", read),
      from: "0u",
      to: left === byRows ? `K / ${per}u` : "K",
      ...storedAt((row, column) => `${row} * (N / ${per}u) + ${column}`),
    };
  },
  extent: ({ M, N }) => [N, M, 1],
  length: ({ K }) => K,
  tensors: ["a", "b", "y"],
  notInFours: inFours(last),
});

const kernels = (few: readonly Kernel[], p: Problem<"M N K">, plain: Kernel): readonly Kernel[] => [
  ...few,
  ...(p.product(true).a.contiguous === "steps" ? [panelKernel(p), ...sumsKernels(p)] : []),
  ...subgroupKernels(p, 1),
  ...tiledKernels(p),
  plain,
];

export const matmulKernels = kernels(
  fewMatmulKernels,
  problem(byRows, byColumns, ["K", "N"]),
  direct("m * K + k", "k * N + n"),
);
export const matmulNTKernels = kernels(
  fewMatmulNTKernels,
  problem(byRows, byRows, ["K", "N"]),
  direct("m * K + k", "n * K + k"),
);
/** Several products at once, each a layer of the grid. */
const many: Problem<"B M N K"> = {
  product: (vec, read = load) => ({
    setup: "",
    rows: "M",
    columns: "N",
    a: byRowsOfMany(vec ? 4 : 1, "a", "M", read),
    b: byRowsOfMany(vec ? 4 : 1, "b", "N", read),
    from: "0u",
    to: `K / ${vec ? 4 : 1}u`,
    ...storedAt((row, column) => `(group.z * M + ${row}) * (N / ${vec ? 4 : 1}u) + ${column}`),
  }),
  extent: ({ B, M, N }) => [N, M, B],
  length: ({ K }) => K,
  tensors: ["a", "b", "y"],
  notInFours: inFours(["K", "N"]),
};
const directMany = kernel<"B M N K">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ B, M, N }) => [cover(M * N, 64), B, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= M * N) { return; }
  let m = global.y * M + global.x / N;
  let n = global.x % N;
  var sum = 0.0;
  for (var k = 0u; k < K; k++) { sum += f32(a[m * K + k]) * f32(b[(global.y * N + n) * K + k]); }
  store_y(m * N + n, n, sum);
}`,
});
export const batchedMatmulNTKernels: readonly Kernel[] = [
  panelKernel(many),
  ...sumsKernels(many),
  ...subgroupKernels(many, 1),
  ...tiledKernels(many),
  directMany,
];

/** A factor of one of several products: columns of the matrices, which lie one behind the other. */
const byColumnsOfMany = (width: Width, tensor: "a" | "b", lines: Axis, load: Load): Factor => {
  const one = byColumns(width, tensor, lines, load);
  return { ...one, load: (k, step, live) => one.load(k, `(layer * L + ${step})`, live) };
};

/** Several products at once, each over several slices of the long axis: layers of the grid. */
const manySlices: Problem<"B M N L Z"> = {
  product: (vec, read = load) => ({
    setup: `
  let layer = group.z % B;
  let z = group.z / B;
  ${slice("L", "z")}`,
    rows: "M",
    columns: "N",
    a: byColumnsOfMany(vec ? 4 : 1, "a", "M", read),
    b: byColumnsOfMany(vec ? 4 : 1, "b", "N", read),
    from: "begin",
    to: "end",
    ...storedAt((row, column) => `(group.z * M + ${row}) * (N / ${vec ? 4 : 1}u) + ${column}`),
  }),
  extent: ({ B, M, N, Z }) => [N, M, B * Z],
  length: ({ L, Z }) => L / Z,
  tensors: ["a", "b", "y"],
  notInFours: inFours(["M", "N"]),
};
const directManySlices = kernel<"B M N L Z">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ B, M, N, Z }) => [cover(M * N, 64), B * Z, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= M * N) { return; }
  let layer = global.y % B;
  let m = global.x / N;
  let n = global.x % N;
  ${slice("L", "(global.y / B)")}
  var sum = 0.0;
  for (var l = begin; l < end; l++) {
    sum += f32(a[(layer * L + l) * M + m]) * f32(b[(layer * L + l) * N + n]);
  }
  store_y((global.y * M + m) * N + n, n, sum);
}`,
});
export const batchedMatmulTNSlicesKernels: readonly Kernel[] = [
  ...subgroupKernels(manySlices, 1),
  ...tiledKernels(manySlices),
  directManySlices,
];

export const matmulTNKernels = kernels(
  fewMatmulTNKernels,
  problem(byColumns, byColumns, ["M", "N"]),
  direct("k * M + m", "k * N + n"),
);
