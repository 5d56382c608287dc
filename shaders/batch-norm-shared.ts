import { cover, type Kernel, kernel } from "../src/kernel";
import { coarse, finished, merged, momentsOfBlock, weight } from "./batch-norm";
import { fourChannels } from "./lib/fours";
import { sumOfRows } from "./lib/group-reduction";
import { wgsl } from "./wgsl";

// The sums of batch norm for GPUs: a workgroup shares a block, or the merging of all blocks, for a few fours of channels.

/** Fours of channels side by side in a workgroup, and rows of threads that share what belongs to them. */
interface Shape {
  readonly columns: number;
  readonly rows: number;
}
/** Of those that read activations: 128 bytes side by side. */
const reading: Shape = { columns: 8, rows: 32 };
/** Of those that merge: a layer of few channels has a thousand blocks, and nothing else to do meanwhile. */
const merging: Shape = { columns: 2, rows: 128 };

const shared = ({ columns, rows }: Shape) =>
  ({ name: "shared", family: "gpu", workgroup: [columns * rows, 1, 1], rejects: fourChannels }) as const;

const start = ({ columns, rows }: Shape) => wgsl`
${sumOfRows(columns, rows)}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let own = group.x * ${columns}u + local.x % ${columns}u;
  let row = local.x / ${columns}u;
  // Those past the last channel follow it, and store nothing: barriers want all of them.
  let c = min(own, channels - 1u);
  let isStoring = row == 0u && own < channels;`;

const overBlocks = {
  ...shared(reading),
  groups: ({ N, J, C }: { readonly N: number; readonly J: number; readonly C: number }) =>
    [cover(C / 4, reading.columns), J, N] as const,
};

/** Of a kernel over a block: `i` walks over this thread's positions. */
const block = (parts: { readonly before: string; readonly each: string; readonly after: string }) => wgsl`
${start(reading)}
  let j = group.y;
  let n = group.z;
  let begin = j * rows;
  let end = min(begin + rows, L);
  let base = n * L * channels + c;
${parts.before}
  for (var p = begin + row; p < end; p += ${reading.rows}u) { let i = base + p * channels; ${parts.each} }
${parts.after}
}`;

export const momentsShared: Kernel = kernel<"N L C J rows">({
  ...overBlocks,
  vec: ["x", "parts"],
  body: () => wgsl`
${coarse(4)}
${block({
  before: `
  let shift = T(x[base + begin * channels]);
  var own_sum = T(0.0);
  var own_square = T(0.0);`,
  each: "let v = T(x[i]) - shift; own_sum += v; own_square += v * v;",
  after: `
  let sum = sumOfRows(own_sum, local.x);
  let square = sumOfRows(own_square, local.x);
  if (!isStoring) { return; }
${momentsOfBlock}`,
})}`,
});

export const gradSumsShared: Kernel = kernel<"N L C J rows">({
  ...overBlocks,
  vec: ["x", "dy", "mean", "sums", "products"],
  body: () =>
    block({
      before: `
  let center = mean[c];
  var own_sum = T(0.0);
  var own_product = T(0.0);`,
      each: "let gradient = T(dy[i]); own_sum += gradient; own_product += gradient * (T(x[i]) - center);",
      after: `
  let sum = sumOfRows(own_sum, local.x);
  let product = sumOfRows(own_product, local.x);
  if (!isStoring) { return; }
  let at = (n * J + j) * channels + c;
  store_sums(at, c, sum);
  store_products(at, c, product);`,
    }),
});

const overChannels = {
  ...shared(merging),
  groups: ({ C }: { readonly C: number }) => [cover(C / 4, merging.columns), 1, 1] as const,
};

/** As `merge`, both passes shared. */
export const mergeShared: Kernel = kernel<"N J C positions rows eps">({
  ...overChannels,
  vec: ["parts", "gamma", "beta", "mean", "variance", "center", "scale", "bias"],
  body: () => wgsl`
${coarse(4)}
${weight}
${start(merging)}
  let total = f32(N * positions);
  let shift = parts[c];
  var own_sum = T(0.0);
  for (var k = row; k < N * J; k += ${merging.rows}u) {
    let i = k * 3u * channels + c;
    own_sum += weight(k % J) * (parts[i] - shift + parts[i + channels]);
  }
  let offset = sumOfRows(own_sum, local.x) / total;
  var own_square = T(0.0);
  for (var k = row; k < N * J; k += ${merging.rows}u) {
    let i = k * 3u * channels + c;
    let v = parts[i] - shift + parts[i + channels] - offset;
    own_square += parts[i + 2u * channels] + weight(k % J) * v * v;
  }
  let square = sumOfRows(own_square, local.x);
  if (!isStoring) { return; }
${merged}
}`,
});

export const gradFinishShared: Kernel = kernel<"N J C values biased eps">({
  ...overChannels,
  vec: ["sums", "products", "gamma", "variance", "dgamma", "dbeta", "a", "b"],
  body: () => wgsl`
${start(merging)}
  var own_sum = T(0.0);
  var own_product = T(0.0);
  for (var k = row; k < N * J; k += ${merging.rows}u) {
    own_sum += sums[k * channels + c];
    own_product += products[k * channels + c];
  }
  let sum = sumOfRows(own_sum, local.x);
  let product = sumOfRows(own_product, local.x);
  if (!isStoring) { return; }
${finished}
}`,
});
