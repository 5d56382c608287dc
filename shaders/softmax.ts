import { cover, type Kernel, kernel } from "../src/kernel";
import { maxOfGroup, sumOfGroup } from "./lib/group-reduction";
import { wgsl } from "./wgsl";

// The largest value is subtracted first: no exponential is above one.
const lowest = "-3.4028234e38";
const threads = 128;
const shortRow = ({ LAST = 0 }) =>
  LAST < threads ? `rows of ${LAST} are too short for a workgroup` : undefined;

/** One thread a row. `result` is written in terms of z = x − max and the row's sum of e^z. */
const byThread = (result: string): Kernel =>
  kernel<"SIZE LAST">({
    name: "row",
    workgroup: [16, 1, 1],
    groups: ({ SIZE, LAST }) => [cover(SIZE / LAST, 16), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= SIZE / LAST) { return; }
  let first = global.x * LAST;
  var top = ${lowest};
  for (var c = 0u; c < LAST; c++) { top = max(top, f32(x[first + c])); }
  var sum = 0.0;
  for (var c = 0u; c < LAST; c++) { sum += exp(f32(x[first + c]) - top); }
  for (var c = 0u; c < LAST; c++) {
    let z = f32(x[first + c]) - top;
    store_y(first + c, c, ${result});
  }
}`,
  });

/** One workgroup a row. */
const byGroup = (result: string): Kernel =>
  kernel<"SIZE LAST">({
    name: "group",
    family: "gpu",
    workgroup: [threads, 1, 1],
    rejects: shortRow,
    groups: ({ SIZE, LAST }) => [SIZE / LAST, 1, 1],
    body: () => wgsl`
${maxOfGroup(threads)}
${sumOfGroup(threads)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let first = group.x * LAST;
  var own = ${lowest};
  for (var c = local.x; c < LAST; c += ${threads}u) { own = max(own, f32(x[first + c])); }
  let top = maxOfGroup(own, local.x);
  own = 0.0;
  for (var c = local.x; c < LAST; c += ${threads}u) { own += exp(f32(x[first + c]) - top); }
  let sum = sumOfGroup(own, local.x);
  for (var c = local.x; c < LAST; c += ${threads}u) {
    let z = f32(x[first + c]) - top;
    store_y(first + c, c, ${result});
  }
}`,
  });

/** One thread a row of a gradient: a sum over the row of `term`, then `result`, both of y and dy (named p and g). */
const gradByThread = (term: string, result: string): Kernel =>
  kernel<"SIZE LAST">({
    name: "row",
    workgroup: [16, 1, 1],
    groups: ({ SIZE, LAST }) => [cover(SIZE / LAST, 16), 1, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  if (global.x >= SIZE / LAST) { return; }
  let first = global.x * LAST;
  var sum = 0.0;
  for (var c = 0u; c < LAST; c++) {
    let p = f32(y[first + c]);
    let g = f32(dy[first + c]);
    sum += ${term};
  }
  for (var c = 0u; c < LAST; c++) {
    let p = f32(y[first + c]);
    let g = f32(dy[first + c]);
    store_dx(first + c, c, ${result});
  }
}`,
  });

/** One workgroup a row of a gradient. */
const gradByGroup = (term: string, result: string): Kernel =>
  kernel<"SIZE LAST">({
    name: "group",
    family: "gpu",
    workgroup: [threads, 1, 1],
    rejects: shortRow,
    groups: ({ SIZE, LAST }) => [SIZE / LAST, 1, 1],
    body: () => wgsl`
${sumOfGroup(threads)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let first = group.x * LAST;
  var own = 0.0;
  for (var c = local.x; c < LAST; c += ${threads}u) {
    let p = f32(y[first + c]);
    let g = f32(dy[first + c]);
    own += ${term};
  }
  let sum = sumOfGroup(own, local.x);
  for (var c = local.x; c < LAST; c += ${threads}u) {
    let p = f32(y[first + c]);
    let g = f32(dy[first + c]);
    store_dx(first + c, c, ${result});
  }
}`,
  });

const forward = (result: string) => [byGroup(result), byThread(result)];
const backward = (term: string, result: string) => [gradByGroup(term, result), gradByThread(term, result)];

export const softmaxKernels: readonly Kernel[] = forward("exp(z) / sum");
export const logSoftmaxKernels: readonly Kernel[] = forward("z - log(sum)");
export const softmaxGradKernels: readonly Kernel[] = backward("g * p", "p * (g - sum)");
export const logSoftmaxGradKernels: readonly Kernel[] = backward("g", "g - exp(p) * sum");
