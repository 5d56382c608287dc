import { cover, type Kernel, kernel } from "../src/kernel";
import { maxOfGroup, sumOfGroup } from "./lib/group-reduction";
import { wgsl } from "./wgsl";

// With z = logits − max, the loss is log Σe^z − (1 − smoothing)·z[label] − smoothing/C·Σz: no large terms that cancel.
const lowest = "-3.4028234e38";
const threads = 128;
const shortRow = ({ C = 0 }) => (C < threads ? `rows of ${C} are too short for a workgroup` : undefined);

/** The loss of a row from its sums; a label past the classes is not read from and counts as no row at all. */
const lossOfRow = wgsl`
fn lossOfRow(n: u32, top: f32, sum: f32, total: f32) -> f32 {
  let wanted = label[n];
  if (wanted >= C) { return 0.0; }
  let z = f32(logits[n * C + wanted]) - top;
  return log(sum) - (1.0 - smoothing) * z - smoothing / f32(C) * total;
}`;

const gradOfClass = wgsl`
fn gradOfClass(c: u32, wanted: u32, z: f32, sum: f32, slope: f32) -> f32 {
  let hit = select(0.0, 1.0 - smoothing, c == wanted);
  return select(0.0, slope * (exp(z) / sum - hit - smoothing / f32(C)), wanted < C);
}`;

const row = kernel<"N C smoothing">({
  name: "row",
  workgroup: [16, 1, 1],
  groups: ({ N }) => [cover(N, 16), 1, 1],
  body: () => wgsl`
${lossOfRow}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let n = global.x;
  if (n >= N) { return; }
  var top = ${lowest};
  for (var c = 0u; c < C; c++) { top = max(top, f32(logits[n * C + c])); }
  var sum = 0.0;
  var total = 0.0;
  for (var c = 0u; c < C; c++) {
    let z = f32(logits[n * C + c]) - top;
    sum += exp(z);
    total += z;
  }
  store_loss(n, n, lossOfRow(n, top, sum, total));
}`,
});

const group = kernel<"N C smoothing">({
  name: "group",
  family: "gpu",
  workgroup: [threads, 1, 1],
  rejects: shortRow,
  groups: ({ N }) => [N, 1, 1],
  body: () => wgsl`
${maxOfGroup(threads)}
${sumOfGroup(threads)}
${lossOfRow}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let n = group.x;
  var own = ${lowest};
  for (var c = local.x; c < C; c += ${threads}u) { own = max(own, f32(logits[n * C + c])); }
  let top = maxOfGroup(own, local.x);
  own = 0.0;
  var ownTotal = 0.0;
  for (var c = local.x; c < C; c += ${threads}u) {
    let z = f32(logits[n * C + c]) - top;
    own += exp(z);
    ownTotal += z;
  }
  let sum = sumOfGroup(own, local.x);
  let total = sumOfGroup(ownTotal, local.x);
  if (local.x == 0u) { store_loss(n, n, lossOfRow(n, top, sum, total)); }
}`,
});

const gradRow = kernel<"N C smoothing">({
  name: "row",
  workgroup: [16, 1, 1],
  groups: ({ N }) => [cover(N, 16), 1, 1],
  body: () => wgsl`
${gradOfClass}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let n = global.x;
  if (n >= N) { return; }
  var top = ${lowest};
  for (var c = 0u; c < C; c++) { top = max(top, f32(logits[n * C + c])); }
  var sum = 0.0;
  for (var c = 0u; c < C; c++) { sum += exp(f32(logits[n * C + c]) - top); }
  let slope = f32(dloss[n]);
  for (var c = 0u; c < C; c++) {
    let z = f32(logits[n * C + c]) - top;
    store_dlogits(n * C + c, c, gradOfClass(c, label[n], z, sum, slope));
  }
}`,
});

const gradGroup = kernel<"N C smoothing">({
  name: "group",
  family: "gpu",
  workgroup: [threads, 1, 1],
  rejects: shortRow,
  groups: ({ N }) => [N, 1, 1],
  body: () => wgsl`
${maxOfGroup(threads)}
${sumOfGroup(threads)}
${gradOfClass}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let n = group.x;
  var own = ${lowest};
  for (var c = local.x; c < C; c += ${threads}u) { own = max(own, f32(logits[n * C + c])); }
  let top = maxOfGroup(own, local.x);
  own = 0.0;
  for (var c = local.x; c < C; c += ${threads}u) { own += exp(f32(logits[n * C + c]) - top); }
  let sum = sumOfGroup(own, local.x);
  let slope = f32(dloss[n]);
  for (var c = local.x; c < C; c += ${threads}u) {
    let z = f32(logits[n * C + c]) - top;
    store_dlogits(n * C + c, c, gradOfClass(c, label[n], z, sum, slope));
  }
}`,
});

export const crossEntropyKernels: readonly Kernel[] = [group, row];
export const crossEntropyGradKernels: readonly Kernel[] = [gradGroup, gradRow];
