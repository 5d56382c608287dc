import { cover, type Kernel, kernel } from "../src/kernel";
import { elementwiseKernels } from "./elementwise";
import { fourChannels } from "./lib/fours";
import { wgsl } from "./wgsl";

/** The upper 16 bits of the fraction. Made by integers, so that no compiler can simplify the rest to zero. */
export const coarse = (of: 1 | 4): string =>
  of === 4
    ? wgsl`fn coarse(v: vec4f) -> vec4f { return bitcast<vec4f>(bitcast<vec4u>(v) & vec4u(0xffffff00u)); }`
    : wgsl`fn coarse(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) & 0xffffff00u); }`;

/** What is stored of block j of image n, from the sums of differences from `shift` and of their squares. */
export const momentsOfBlock = wgsl`
  let mean = sum / f32(end - begin);
  let at = (n * J + j) * 3u * channels + c;
  let rounded = coarse(shift + mean);
  store_parts(at, c, rounded);
  store_parts(at + channels, c, mean + (shift - rounded));
  store_parts(at + 2u * channels, c, max(square - sum * mean, T(0.0)));`;

/**
 * One block of one (or four) channels a thread. Sums are taken of differences from the block's first value, so that a
 * mean far from zero costs no digits.
 */
const moments = (of: 1 | 4): Kernel =>
  kernel<"N L C J rows">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "parts"], rejects: fourChannels } : {}),
    groups: ({ N, J, C }) => [cover((J * C) / of, 64), N, 1],
    body: () => wgsl`
${coarse(of)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= J * channels) { return; }
  let j = global.x / channels;
  let c = global.x - j * channels;
  let begin = j * rows;
  let end = min(begin + rows, L);
  let n = global.y;
  let base = n * L * channels + c;
  let shift = T(x[base + begin * channels]);
  var sum = T(0.0);
  var square = T(0.0);
  for (var row = begin + 1u; row < end; row++) {
    let v = T(x[base + row * channels]) - shift;
    sum += v;
    square += v * v;
  }
${momentsOfBlock}
}`,
  });

/** Positions of block j. */
export const weight = wgsl`fn weight(j: u32) -> f32 { return f32(min(rows, positions - j * rows)); }`;

/** What the merged sums give: `offset` from the mean of the first block, `square` from the mean of all. */
export const merged = wgsl`
  let center = coarse(shift + offset);
  let factor = gamma[c] / sqrt(square / total + eps);
  store_mean(c, c, shift + offset);
  store_variance(c, c, square / (total - 1.0));
  store_center(c, c, center);
  store_scale(c, c, factor);
  store_bias(c, c, beta[c] - (offset + (shift - center)) * factor);`;

/** One channel a thread; again relative to a first value, here the first block's mean. */
const merge = kernel<"N J C positions rows eps">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ C }) => [cover(C, 64), 1, 1],
  body: () => wgsl`
${coarse(1)}
${weight}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let c = global.x;
  if (c >= C) { return; }
  let total = f32(N * positions);
  let shift = parts[c];
  var sum = 0.0;
  for (var n = 0u; n < N; n++) {
    for (var j = 0u; j < J; j++) {
      let i = (n * J + j) * 3u * C + c;
      sum += weight(j) * (parts[i] - shift + parts[i + C]);
    }
  }
  let offset = sum / total;
  var square = 0.0;
  for (var n = 0u; n < N; n++) {
    for (var j = 0u; j < J; j++) {
      let i = (n * J + j) * 3u * C + c;
      let v = parts[i] - shift + parts[i + C] - offset;
      square += parts[i + 2u * C] + weight(j) * v * v;
    }
  }
${merged}
}`,
});

/** One block of one (or four) channels a thread. */
const gradSums = (of: 1 | 4): Kernel =>
  kernel<"N L C J rows">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "dy", "mean", "sums", "products"], rejects: fourChannels } : {}),
    groups: ({ N, J, C }) => [cover((J * C) / of, 64), N, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= J * channels) { return; }
  let j = global.x / channels;
  let c = global.x - j * channels;
  let begin = j * rows;
  let end = min(begin + rows, L);
  let base = global.y * L * channels + c;
  let center = mean[c];
  var sum = T(0.0);
  var product = T(0.0);
  for (var row = begin; row < end; row++) {
    let at = base + row * channels;
    let gradient = T(dy[at]);
    sum += gradient;
    product += gradient * (T(x[at]) - center);
  }
  let i = global.y * J * channels + global.x;
  store_sums(i, c, sum);
  store_products(i, c, product);
}`,
  });

/** dx, of one element or four. */
export const normalGradient = "a * (dy - dbeta * T(1.0 / f32(values))) - b * (x - mean)";

/** What both sums over all blocks give. */
export const finished = wgsl`
  let inverse = 1.0 / sqrt(variance[c] * biased + eps);
  let factor = gamma[c] * inverse;
  store_dgamma(c, c, product * inverse);
  store_dbeta(c, c, sum);
  store_a(c, c, factor);
  store_b(c, c, factor * inverse * inverse * product / f32(values));`;

/** One channel a thread. */
const gradFinish = kernel<"N J C values biased eps">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ C }) => [cover(C, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let c = global.x;
  if (c >= C) { return; }
  var sum = 0.0;
  var product = 0.0;
  for (var j = 0u; j < N * J; j++) {
    sum += sums[j * C + c];
    product += products[j * C + c];
  }
${finished}
}`,
});

/** Values of one channel vector that a thread normalises. */
const run = 16;

/**
 * Four channels of several positions a thread: what belongs to the channel is loaded once, and neither an index is
 * divided nor a workgroup started for every vector.
 */
const columns = (names: {
  readonly values: readonly string[];
  readonly channels: readonly string[];
  readonly output: string;
  readonly expression: string;
}): Kernel =>
  kernel<"SIZE LAST">({
    name: "columns",
    workgroup: [64, 1, 1],
    vec: [...names.values, ...names.channels, names.output],
    rejects: ({ LAST }) => (LAST % 4 === 0 ? undefined : `the last axis is ${LAST}, not a multiple of 4`),
    groups: ({ SIZE, LAST }) => [cover((Math.ceil(SIZE / LAST / run) * LAST) / 4, 64), 1, 1],
    body: () => wgsl`
fn normal(${[...names.values, ...names.channels].map((name) => `${name}: vec4f`).join(", ")}) -> vec4f {
  return ${names.expression};
}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = LAST / 4u;
  let block = global.x / channels;
  let c = global.x - block * channels;
  let begin = block * ${run}u * channels + c;
  let end = min(begin + ${run}u * channels, SIZE / 4u);
${names.channels.map((name) => `  let own_${name} = vec4f(${name}[c]);`).join("\n")}
  for (var i = begin; i < end; i += channels) {
    store_${names.output}(i, c, normal(${[...names.values.map((name) => `vec4f(${name}[i])`), ...names.channels.map((name) => `own_${name}`)].join(", ")}));
  }
}`,
  });

export const batchNormApplyKernels: readonly Kernel[] = [
  columns({
    values: ["x"],
    channels: ["center", "scale", "bias"],
    output: "y",
    expression: "(x - center) * scale + bias",
  }),
  ...elementwiseKernels,
];
export const batchNormGradApplyKernels: readonly Kernel[] = [
  columns({
    values: ["x", "dy"],
    channels: ["mean", "a", "b", "dbeta"],
    output: "dx",
    expression: normalGradient,
  }),
  ...elementwiseKernels,
];
export const batchNormMomentsKernels: readonly Kernel[] = [moments(4), moments(1)];
export const batchNormMergeKernels: readonly Kernel[] = [merge];
export const batchNormGradSumsKernels: readonly Kernel[] = [gradSums(4), gradSums(1)];
export const batchNormGradFinishKernels: readonly Kernel[] = [gradFinish];
