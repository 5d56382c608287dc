import { cover, type Kernel, kernel } from "../src/kernel";
import { fourChannels } from "./lib/fours";
import { wgsl } from "./wgsl";

type Pool = "N H W C";

/** One output (of one or four channels) a thread. */
const pool = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "y"], rejects: fourChannels } : {}),
    groups: ({ N, C }) => [cover(C / of, 64), N, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let c = global.x;
  let channels = C / ${of}u;
  if (c >= channels) { return; }
  let pixels = H * W;
  let base = global.y * pixels * channels + c;
  var sum = T(0.0);
  for (var pixel = 0u; pixel < pixels; pixel++) { sum += T(x[base + pixel * channels]); }
  store_y(global.y * channels + c, c, sum / f32(pixels));
}`,
  });

/** One input (of one or four channels) a thread: all of an image have the same share. */
const grad = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["dy", "dx"], rejects: fourChannels } : {}),
    groups: ({ N, H, W, C }) => [cover((H * W * C) / of, 64), N, 1],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= H * W * channels) { return; }
  let c = global.x % channels;
  store_dx(global.y * H * W * channels + global.x, c, T(dy[global.y * channels + c]) / f32(H * W));
}`,
  });

export const globalAvgPoolKernels: readonly Kernel[] = [pool(4), pool(1)];
export const globalAvgPoolGradKernels: readonly Kernel[] = [grad(4), grad(1)];
