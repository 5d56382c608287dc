import { cover, type Kernel, kernel } from "../src/kernel";
import { fourChannels } from "./lib/fours";
import { sumOfSlices } from "./lib/group-reduction";
import { wgsl } from "./wgsl";

/** One column of one block of rows a thread; neighbours read neighbouring columns. */
const parts = (of: 1 | 4): Kernel =>
  kernel<"N L J C rows">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["x", "y"] : [],
    ...(of === 4 ? { rejects: fourChannels } : {}),
    groups: ({ N, J, C }) => [cover((N * J * C) / of, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  let width = C / ${of}u;
  if (i >= N * J * width) { return; }
  let c = i % width;
  let j = i / width % J;
  let n = i / (width * J);
  let end = min(L, (j + 1u) * rows);
  var sum = T(0);
  for (var l = j * rows; l < end; l++) { sum += T(x[(n * L + l) * width + c]); }
  store_y(i, c, sum);
}`,
  });

/** One column a thread. */
const serial = (of: 1 | 4): Kernel =>
  kernel<"M C">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["x", "y"] : [],
    ...(of === 4 ? { rejects: fourChannels } : {}),
    groups: ({ C }) => [cover(C / of, 64), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let c = global.x;
  let width = C / ${of}u;
  if (c >= width) { return; }
  var sum = T(0);
  for (var m = 0u; m < M; m++) { sum += T(x[m * width + c]); }
  store_y(c, c, sum);
}`,
  });

/** Sixteen columns a workgroup: sixteen threads share the rows of each and add up in workgroup memory. */
const tree = (of: 1 | 4): Kernel =>
  kernel<"M C">({
    name: of === 4 ? "treeVec4" : "tree",
    family: "gpu",
    workgroup: [16, 16, 1],
    vec: of === 4 ? ["x", "y"] : [],
    ...(of === 4 ? { rejects: fourChannels } : {}),
    groups: ({ C }) => [cover(C / of, 16), 1, 1],
    body: () =>
      sumOfSlices(16, 16, { of: "x", count: "M", size: `C / ${of}u`, store: "store_y(i, i, total);" }),
  });

export const columnPartsKernels: readonly Kernel[] = [parts(4), parts(1)];
export const columnTotalKernels: readonly Kernel[] = [tree(4), tree(1), serial(4), serial(1)];
