import { cover, type Kernel, kernel } from "../src/kernel";
import { fourChannels } from "./lib/fours";
import { addSlices, sumOfGroup, sumOfSlices } from "./lib/group-reduction";
import { wgsl } from "./wgsl";

/** Every J-th value a thread, so that neighbours read neighbouring values. */
const partsScalar = kernel<"N L J">({
  name: "scalar",
  workgroup: [64, 1, 1],
  groups: ({ N, J }) => [cover(N * J, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * J) { return; }
  let first = i / J * L;
  var sum = 0.0;
  for (var l = i % J; l < L; l += J) { sum += f32(x[first + l]); }
  store_y(i, i % J, sum);
}`,
});

/** The same, four values at a time. */
const partsVec4 = kernel<"N L J">({
  name: "vec4",
  workgroup: [64, 1, 1],
  vec: ["x"],
  rejects: ({ L }) => (L % 4 === 0 ? undefined : `L is ${L}, not a multiple of 4`),
  groups: ({ N, J }) => [cover(N * J, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * J) { return; }
  let first = i / J * (L / 4u);
  var sum = vec4f(0);
  for (var l = i % J; l < L / 4u; l += J) { sum += vec4f(x[first + l]); }
  store_y(i, i % J, (sum.x + sum.y) + (sum.z + sum.w));
}`,
});

/** One workgroup sums everything. */
const tree = kernel<"M by">({
  name: "tree",
  family: "gpu",
  workgroup: [256, 1, 1],
  groups: () => [1, 1, 1],
  body: () => wgsl`
${sumOfGroup(256)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  var sum = 0.0;
  for (var m = local.x; m < M; m += 256u) { sum += f32(x[m]); }
  let total = sumOfGroup(sum, local.x);
  if (local.x == 0u) { store_y(0u, 0u, total * by); }
}`,
});

/** One thread sums everything. */
const serial = kernel<"M by">({
  name: "serial",
  workgroup: [1, 1, 1],
  groups: () => [1, 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  var sum = 0.0;
  for (var m = 0u; m < M; m++) { sum += f32(x[m]); }
  store_y(0u, 0u, sum * by);
}`,
});

/** One value, or four, a thread. */
const slices = (of: 1 | 4): Kernel =>
  kernel<"Z M C">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["x", "y"] : [],
    ...(of === 4 ? { rejects: fourChannels } : {}),
    groups: ({ M, C }) => [cover((M * C) / of, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  let size = M * C / ${of}u;
  if (i >= size) { return; }
  var sum = T(0);
${addSlices({ of: "x", count: "Z" }, "0u", 1)}
  store_y(i, i % (C / ${of}u), sum);
}`,
  });

/** Slices from which several threads a value pay, and values from which one a thread keeps a GPU busy. */
const fewestShared = 16;
const busy = 2 ** 15;

/** Thirty-two threads share the slices of one value, or four. */
const slicesShared = (of: 1 | 4): Kernel =>
  kernel<"Z M C">({
    name: of === 4 ? "sharedVec4" : "shared",
    family: "gpu",
    workgroup: [8, 32, 1],
    vec: of === 4 ? ["x", "y"] : [],
    ...(of === 4 ? { rejects: fourChannels } : {}),
    suits: ({ Z, M, C }) => Z >= fewestShared && (M * C) / of < busy,
    groups: ({ M, C }) => [cover((M * C) / of, 8), 1, 1],
    body: () =>
      sumOfSlices(8, 32, {
        of: "x",
        count: "Z",
        size: `M * C / ${of}u`,
        store: `store_y(i, i % (C / ${of}u), total);`,
      }),
  });

export const sumSlicesKernels: readonly Kernel[] = [slicesShared(4), slicesShared(1), slices(4), slices(1)];
export const sumPartsKernels: readonly Kernel[] = [partsVec4, partsScalar];
export const sumTotalKernels: readonly Kernel[] = [tree, serial];
