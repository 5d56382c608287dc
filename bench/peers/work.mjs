import { networks } from "./networks.mjs";
import { sizeOf, uniforms } from "./values.mjs";

/**
 * One row of the table. `goal` is how many times TensorFlow.js's speed Striate is to reach at least; `flops` the
 * multiplications and additions of one run; `bytes` what must be read and written once; `share` which of the adapter's
 * peaks bounds the row, and how much of it is to be reached.
 *
 * @typedef {object} Row
 * @property {string} id
 * @property {"gemm" | "conv2d" | "depthwise" | "maxPool" | "batchNorm" | "add" | "relu" | "network" | "cold"} kind
 * @property {"y" | "dx" | "dw" | "both" | "train"} part what is computed: the result or a gradient
 * @property {number} [goal]
 * @property {number} [flops]
 * @property {number} [bytes]
 * @property {{ of: "arithmetic" | "bandwidth", goal: number }} [share]
 * @property {Record<string, number[]>} inputs shapes by name, NHWC and KRSC
 * @property {number} stride
 * @property {number} pad
 * @property {string} [net]
 * @property {number} size
 * @property {number} batch
 */

const multiplyAdds = (goal) => ({ of: "arithmetic", goal });
const copied = { of: "bandwidth", goal: 0.6 };
const none = { stride: 1, pad: 0, size: 0, batch: 0, inputs: {} };

/** Rows of a convolution: forward and both gradients; each is given what it needs and random output gradients. */
function convolution(title, kind, x, w, y, pad, flops, goals = [], share = 0.5) {
  const needs = { y: { x, w }, dx: { dy: y, w }, dw: { dy: y, x } };
  const made = { y, dx: x, dw: w };
  return Object.entries({ y: "forward", dx: "dX", dw: "dW" }).map(([part, label], k) => ({
    ...none,
    id: `${title}: ${label}`,
    kind,
    part,
    goal: goals[k],
    flops,
    share: kind === "depthwise" ? copied : multiplyAdds(share),
    bytes: 4 * [...Object.values(needs[part]), made[part]].reduce((sum, shape) => sum + sizeOf(shape), 0),
    inputs: needs[part],
    made: made[part],
    pad,
  }));
}

/** A square product of matrices. */
const gemm = (n, share, goal) => ({
  ...none,
  id: `GEMM ${n}×${n}×${n}`,
  kind: "gemm",
  part: "y",
  goal,
  flops: 2 * n ** 3,
  share: multiplyAdds(share),
  bytes: 4 * 3 * n ** 2,
  inputs: { a: [n, n], b: [n, n] },
});

/** Rows of what memory bounds, over pictures of this shape; `goals` of pooling backward and batch norm. */
function memoryBound(picture, goals = []) {
  const [n, h, w, c] = picture;
  const size = picture.join("×");
  const pixels = sizeOf(picture);
  const pooled = [n, h / 2, w / 2, c];
  const pool = { ...none, kind: "maxPool", share: copied, stride: 2, pad: 1 };
  return [
    {
      ...pool,
      id: `max pool 3×3/2, ${size}: forward`,
      part: "y",
      bytes: 4 * (pixels + sizeOf(pooled)),
      inputs: { x: picture },
    },
    {
      ...pool,
      id: `max pool 3×3/2, ${size}: backward`,
      part: "dx",
      goal: goals[0],
      // The output's gradient, which input was the largest, the input's gradient.
      bytes: 4 * (pixels + 2 * sizeOf(pooled)),
      inputs: { x: picture, dy: pooled },
    },
    {
      ...none,
      id: `batch norm, ${size}: training forward + backward`,
      kind: "batchNorm",
      part: "both",
      goal: goals[1],
      // Each pass needs a statistic of the whole channel first: forward reads x twice and writes y, backward reads x and
      // dy twice and writes dx.
      bytes: 4 * 8 * pixels,
      share: copied,
      inputs: { x: picture, gamma: [c], beta: [c], dy: picture },
    },
    {
      ...none,
      id: `add, ${size}`,
      kind: "add",
      part: "y",
      bytes: 4 * 3 * pixels,
      share: copied,
      inputs: { a: picture, b: picture },
    },
    {
      ...none,
      id: `ReLU, ${size}: forward + backward`,
      kind: "relu",
      part: "both",
      bytes: 4 * 4 * pixels,
      share: copied,
      inputs: { x: picture, dy: picture },
    },
  ];
}

const picture = [4, 56, 56, 64];
const pixels = sizeOf(picture);

function network(net, size, batch, goals) {
  return Object.entries({ y: "forward", train: "training step" }).map(([part, label], k) => ({
    ...none,
    id: `${networks[net].title}, ${size} px, batch ${batch}: ${label}`,
    kind: "network",
    part,
    goal: goals[k],
    net,
    size,
    batch,
  }));
}

/** @type {readonly Row[]} */
export const rows = [
  gemm(512, 0.55, 2.2),
  ...convolution(
    "conv 3×3 64→64, 4×56×56",
    "conv2d",
    picture,
    [64, 3, 3, 64],
    picture,
    1,
    2 * pixels * 9 * 64,
    [2.2, 4, 12],
  ),
  ...convolution(
    "conv 1×1 64→256, 4×56×56",
    "conv2d",
    picture,
    [256, 1, 1, 64],
    [4, 56, 56, 256],
    0,
    2 * pixels * 256,
    [2.2, 4, 12],
  ),
  ...convolution(
    "depthwise 3×3, 4×56×56×64",
    "depthwise",
    picture,
    [3, 3, 64],
    picture,
    1,
    2 * pixels * 9,
    [1.5, 8, 4],
  ),
  ...memoryBound(picture, [4, 4]),
  ...network("mobilenet", 64, 4, [3, 8]),
  ...network("resnet50", 64, 2, [4, 8]),
  ...network("alexnet", 64, 2, [2, 5]),
  ...network("vgg16", 64, 2, [2, 5]),
  {
    ...none,
    id: "cold start: ResNet-50, 64 px, batch 2: process start to the end of the first training step",
    kind: "cold",
    part: "train",
    goal: 1,
    net: "resnet50",
    size: 64,
    batch: 2,
  },
];

/**
 * The operations at sizes that fill a large GPU, where those of the table last some microseconds; the rest of a network that
 * is trained in batches of 32. No ratios are set as goals for these.
 *
 * @type {readonly Row[]}
 */
export const largeRows = [
  gemm(4096, 0.6),
  ...convolution(
    "conv 3×3 256→256, 32×14×14",
    "conv2d",
    [32, 14, 14, 256],
    [256, 3, 3, 256],
    [32, 14, 14, 256],
    1,
    2 * 32 * 14 * 14 * 256 * 9 * 256,
    [],
    0.6,
  ),
  ...convolution(
    "conv 1×1 256→1024, 32×14×14",
    "conv2d",
    [32, 14, 14, 256],
    [1024, 1, 1, 256],
    [32, 14, 14, 1024],
    0,
    2 * 32 * 14 * 14 * 256 * 1024,
    [],
    0.6,
  ),
  ...convolution(
    "depthwise 3×3, 32×56×56×128",
    "depthwise",
    [32, 56, 56, 128],
    [3, 3, 128],
    [32, 56, 56, 128],
    1,
    2 * 32 * 56 * 56 * 128 * 9,
  ),
  ...memoryBound([32, 56, 56, 128]),
];

/** The networks at another size, in the order of the table; no goals are set for these. */
export const networksAt = (size, batch) =>
  ["mobilenet", "resnet50", "alexnet", "vgg16"].flatMap((net) => network(net, size, batch, []));

/** A row of the table, or of a network at any size, by its id. */
export function rowNamed(id) {
  const [, size, batch] = /, (\d+) px, batch (\d+): /.exec(id) ?? [];
  const found = [...rows, ...largeRows, ...networksAt(Number(size), Number(batch))].find(
    (row) => row.id === id,
  );
  if (found === undefined) throw new Error(`there is no row ${id}`);
  return found;
}

/**
 * How far results may lie apart, relative. A training step has more to disagree about: where a ReLU or a max pool decides
 * between two values that are equal but for rounding, a gradient takes another way, and a small batch does not average
 * that out. Measured for ResNet-50 at 64 px, batch 2, whose last maps are 2×2, with inputs that differ in the last bit: PyTorch
 * in f32 is 0.0009 to 0.011 away from f64, Striate 0.004 to 0.034; one ReLU accounts for the upper figures. What is wrong is
 * farther away.
 *
 * @param {string} id the row's
 */
export const toleranceOf = (id) => (id.endsWith(": training step") ? 0.1 : 1e-3);

/** The values of an op's inputs, the same for everybody. */
export const inputsOf = (row) =>
  Object.fromEntries(
    Object.entries(row.inputs).map(([name, shape]) => [name, uniforms(`${row.id}/${name}`, sizeOf(shape))]),
  );
