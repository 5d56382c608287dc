import { cover, kernel } from "../src/kernel";
import { wgsl } from "./wgsl";

/** One thread a row. */
export const meanSquaredErrorRow = kernel<"N K">({
  name: "row",
  workgroup: [16, 1, 1],
  groups: ({ N }) => [cover(N, 16), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let n = global.x;
  if (n >= N) { return; }
  var sum = 0.0;
  for (var k = 0u; k < K; k++) {
    let rest = f32(x[n * K + k]) - f32(wanted[n * K + k]);
    sum += rest * rest;
  }
  store_loss(n, n, sum / f32(K));
}`,
});

/** One value a thread. */
export const meanSquaredErrorGradScalar = kernel<"N K">({
  name: "scalar",
  workgroup: [64, 1, 1],
  groups: ({ N, K }) => [cover(N * K, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * K) { return; }
  store_dx(i, i % K, 2.0 * (f32(x[i]) - f32(wanted[i])) * f32(dloss[i / K]) / f32(K));
}`,
});
