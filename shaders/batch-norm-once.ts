import { cover, type Kernel, type KernelFamily, kernel } from "../src/kernel";
import { coarse } from "./batch-norm";
import { sumOfRows } from "./lib/group-reduction";
import { wgsl } from "./wgsl";

// Batch norm where a channel has few values, as deep in a network: one dispatch that sums and then normalises costs less
// than the start of two more.

/** Fours of channels that lie side by side in a workgroup: 128 bytes, a line of most caches. */
const columns = 8;

interface Variant {
  readonly name: string;
  readonly family: KernelFamily;
  /** Threads that share the values of a channel: a GPU needs many, a software adapter has no use for barriers. */
  readonly rows: number;
  /** Values a channel at most: a GPU soon wants more workgroups, a software adapter has few cores and wants few dispatches. */
  readonly most: number;
}
const variants: readonly Variant[] = [
  { name: "onceShared", family: "gpu", rows: 32, most: 512 },
  { name: "once", family: "software", rows: 1, most: 8192 },
];

/** Values that are added up before they join a sum: one long chain of additions would cost digits. */
const run = 32;

/** Adds up expressions of the position `i`, with `lets` before them; each row of threads takes its own positions. */
const sums = (adding: Readonly<Record<string, string>>, lets: string): string => {
  const names = Object.keys(adding);
  const each = (text: (name: string) => string) => names.map(text).join(" ");
  return wgsl`
  ${each((name) => `var ${name} = vec4f();`)}
  for (var block = begin; block < end; block += ${run}u * step) {
    ${each((name) => `var part_${name} = vec4f();`)}
    let to = min(block + ${run}u * step, end);
    for (var i = block; i < to; i += step) { ${lets} ${each((name) => `part_${name} += ${adding[name]};`)} }
    ${each((name) => `${name} += part_${name};`)}
  }`;
};

const once = (
  tensors: readonly string[],
  parts: { readonly statistics: string; readonly results: string; readonly each: string },
): Kernel[] =>
  variants.map(({ name, family, rows, most }) =>
    kernel<"SIZE LAST">({
      name,
      family,
      workgroup: [columns * rows, 1, 1],
      vec: tensors,
      rejects: ({ SIZE, LAST }) => {
        if (LAST % 4 !== 0) return `the last axis is ${LAST}, not a multiple of 4`;
        return SIZE / LAST <= most ? undefined : `a channel has ${SIZE / LAST} values, more than ${most}`;
      },
      groups: ({ LAST }) => [cover(LAST / 4, columns), 1, 1],
      body: () => wgsl`
${coarse(4)}
${sumOfRows(columns, rows)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = LAST / 4u;
  let column = local.x % ${columns}u;
  let row = local.x / ${columns}u;
  let count = SIZE / LAST;
  let own = group.x * ${columns}u + column;
  let isChannel = own < channels;
  // Those past the last channel follow it, and store nothing: barriers want all of them.
  let c = min(own, channels - 1u);
  let end = count * channels;
  let step = ${rows}u * channels;
  let begin = row * channels + c;
${parts.statistics}
  if (!isChannel) { return; }
  if (row == 0u) { ${parts.results} }
  for (var i = begin; i < end; i += step) { ${parts.each} }
}`,
    }),
  );

/** The mean is taken of differences from a channel's first value, so that one far from zero costs no digits. */
export const batchNormOnce = once(["x", "gamma", "beta", "y", "mean", "variance"], {
  statistics: wgsl`
  let shift = vec4f(x[c]);
${sums({ sum: "vec4f(x[i]) - shift" }, "")}
  let offset = sumOfRows(sum, local.x) / f32(count);
${sums({ square: "v * v" }, "let v = vec4f(x[i]) - shift - offset;")}
  let squares = sumOfRows(square, local.x);
  let center = coarse(shift + offset);
  let factor = gamma[c] / sqrt(squares / f32(count) + eps);
  let bias = beta[c] - (offset + (shift - center)) * factor;`,
  results: "store_mean(c, c, shift + offset); store_variance(c, c, squares / f32(count - 1u));",
  each: "store_y(i, c, (vec4f(x[i]) - center) * factor + bias);",
});

export const batchNormGradOnce = once(["x", "dy", "gamma", "mean", "variance", "dx", "dgamma", "dbeta"], {
  statistics: wgsl`
  let center = mean[c];
${sums({ gradient: "g", product: "g * (vec4f(x[i]) - center)" }, "let g = vec4f(dy[i]);")}
  let sum = sumOfRows(gradient, local.x);
  let inverse = 1.0 / sqrt(variance[c] * (f32(count - 1u) / f32(count)) + eps);
  let slope = sumOfRows(product, local.x) * inverse;
  let a = gamma[c] * inverse;
  let b = a * inverse * slope / f32(count);
  let level = sum / f32(count);`,
  results: "store_dgamma(c, c, slope); store_dbeta(c, c, sum);",
  each: "store_dx(i, c, a * (vec4f(dy[i]) - level) - b * (vec4f(x[i]) - center));",
});
