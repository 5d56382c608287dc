import { cover, type Kernel, kernel } from "../src/kernel";
import { fourChannels } from "./lib/fours";
import { wgsl } from "./wgsl";

type Pool = "N H W C P Q";

const bins = wgsl`
fn first(bin: u32, extent: u32, bins: u32) -> u32 { return bin * extent / bins; }
fn end(bin: u32, extent: u32, bins: u32) -> u32 { return ((bin + 1u) * extent + bins - 1u) / bins; }`;

/** One output (of one or four channels) a thread. */
const pool = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "y"], rejects: fourChannels } : {}),
    groups: ({ N, P, Q, C }) => [cover((Q * C) / of, 64), P, N],
    body: () => wgsl`
${bins}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= Q * channels) { return; }
  let q = global.x / channels;
  let c = global.x - q * channels;
  let h0 = first(global.y, H, P);
  let h1 = end(global.y, H, P);
  let w0 = first(q, W, Q);
  let w1 = end(q, W, Q);
  var sum = T(0.0);
  for (var h = h0; h < h1; h++) {
    for (var col = w0; col < w1; col++) { sum += T(x[((global.z * H + h) * W + col) * channels + c]); }
  }
  store_y((global.z * P + global.y) * Q * channels + global.x, c, sum / f32((h1 - h0) * (w1 - w0)));
}`,
  });

/** One input (of one or four channels) a thread: bins overlap where P does not divide H. */
const grad = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["dy", "dx"], rejects: fourChannels } : {}),
    groups: ({ N, H, W, C }) => [cover((W * C) / of, 64), H, N],
    body: () => wgsl`
${bins}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= W * channels) { return; }
  let col = global.x / channels;
  let c = global.x - col * channels;
  // The bins that hold a row are those that the row would overlap if it were a bin itself.
  let p0 = first(global.y, P, H);
  let p1 = end(global.y, P, H);
  let q0 = first(col, Q, W);
  let q1 = end(col, Q, W);
  var sum = T(0.0);
  for (var p = p0; p < p1; p++) {
    let rows = end(p, H, P) - first(p, H, P);
    for (var q = q0; q < q1; q++) {
      let share = f32(rows * (end(q, W, Q) - first(q, W, Q)));
      sum += T(dy[((global.z * P + p) * Q + q) * channels + c]) / share;
    }
  }
  store_dx((global.z * H + global.y) * W * channels + global.x, c, sum);
}`,
  });

export const adaptiveAvgPoolKernels: readonly Kernel[] = [pool(4), pool(1)];
export const adaptiveAvgPoolGradKernels: readonly Kernel[] = [grad(4), grad(1)];
