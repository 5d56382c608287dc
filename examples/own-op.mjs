// Ops of your own: one of a line of WGSL, and one with a kernel; both with their gradients.
//   node examples/own-op.mjs
import {
  compileGraph,
  defineOp,
  elementwiseKernels,
  gradients,
  input,
  kernel,
  openDevice,
  ops,
} from "striate";

/** x·min(max(x + 3, 0), 6)/6 (Howard et al. 2019). An elementwise op is fused behind the op before it. */
const hardSwish = defineOp({
  name: "hardSwish",
  inputs: { x: "..." },
  outputs: { y: "..." },
  elementwise: { out: { y: "x * clamp(x + 3.0, T(0), T(6)) / 6.0" } },
  grad: ({ x, dy }) => ({ x: hardSwishGrad({ x, dy }).dx }),
  kernels: elementwiseKernels,
});
const hardSwishGrad = defineOp({
  name: "hardSwishGrad",
  inputs: { x: "...", dy: "..." },
  outputs: { dx: "..." },
  elementwise: {
    out: { dx: "dy * select(select((2.0 * x + 3.0) / 6.0, T(1), x >= T(3)), T(0), x <= T(-3))" },
  },
  kernels: elementwiseKernels,
});

/** A workgroup's invocation takes a row: the sizes go by their names, results leave through store_y. */
const rows = kernel({
  name: "rows",
  workgroup: [64, 1, 1],
  groups: ({ SIZE = 0, C = 1 }) => [Math.ceil(SIZE / C / 64), 1, 1],
  body: () => `
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let row = global.x;
  if (row >= SIZE / C) { return; }
  var sum = 0.0;
  for (var c = 0u; c < C; c++) { sum += f32(x[row * C + c]) * f32(x[row * C + c]); }
  let scale = inverseSqrt(sum + eps);
  for (var c = 0u; c < C; c++) { store_y(row * C + c, c, scale * f32(x[row * C + c])); }
}`,
});
const gradRows = kernel({
  ...rows,
  body: () => `
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let row = global.x;
  if (row >= SIZE / C) { return; }
  var squares = 0.0;
  var product = 0.0;
  for (var c = 0u; c < C; c++) {
    let v = f32(x[row * C + c]);
    squares += v * v;
    product += v * f32(dy[row * C + c]);
  }
  let scale = inverseSqrt(squares + eps);
  for (var c = 0u; c < C; c++) {
    let i = row * C + c;
    store_dx(i, c, scale * (f32(dy[i]) - f32(x[i]) * product * scale * scale));
  }
}`,
});

const eps = /** @type {const} */ ({ kind: "float", value: 1e-12 });
/** y = x / ‖x‖ over the last axis. */
const l2Normalize = defineOp({
  name: "l2Normalize",
  inputs: { x: "... C" },
  outputs: { y: "... C" },
  attrs: { eps },
  grad: ({ x, dy }, own) => ({ x: l2NormalizeGrad({ x, dy, ...own }).dx }),
  kernels: [rows],
});
/** dx = (dy − x·Σ(x·dy)/‖x‖²) / ‖x‖ */
const l2NormalizeGrad = defineOp({
  name: "l2NormalizeGrad",
  inputs: { x: "... C", dy: "... C" },
  outputs: { dx: "... C" },
  attrs: { eps },
  kernels: [gradRows],
});

// A graph: y = l2Normalize(hardSwish(x)), the loss Σ w·y, and its gradient with respect to x.
const x = input("x", [2, 3]);
const w = input("w", [2, 3]);
const { y } = l2Normalize({ x: hardSwish({ x }).y });
const { y: loss } = ops.sum({ x: ops.multiply({ a: y, b: w }).y });
const [dx] = gradients(loss, [x]);
if (dx === undefined) throw new Error("the loss does not depend on x");

const device = await openDevice();
const graph = await compileGraph({ outputs: { y, loss, dx } }, { device });
const at = Float32Array.of(1, 2, 2.5, -1, 0.5, 4);
const weights = Float32Array.of(1, -2, 3, 0.5, 1, -1);
const results = await graph.run({ x: at, w: weights });
console.log("y       ", results.y);
console.log("gradient", results.dx);

// The same gradient by finite differences.
const differences = [];
for (const k of at.keys()) {
  const h = 1e-2;
  const [above, below] = await Promise.all(
    [h, -h].map((d) => graph.run({ x: at.map((v, i) => (i === k ? v + d : v)), w: weights }, ["loss"])),
  );
  differences.push(((above?.loss?.[0] ?? 0) - (below?.loss?.[0] ?? 0)) / (2 * h));
}
const error = Math.max(...differences.map((d, k) => Math.abs(d - (results.dx?.[k] ?? 0))));
console.log(`largest difference from finite differences ${error.toFixed(5)}`);
try {
  l2Normalize({ x: input("v", []) }); // a scalar has no last axis
} catch (error) {
  console.log(error instanceof Error ? error.message : error);
}
device.close();
