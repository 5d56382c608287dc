import { cover, type Kernel, kernel } from "../src/kernel";
import { fourChannels } from "./lib/fours";
import { poolGradTiles } from "./lib/pool-tiles";
import { wgsl } from "./wgsl";

type Pool = "N H W C P Q windowH windowW strideH strideW padH padW padCounts";

/**
 * How many values a window along one axis averages: those inside the image, or those inside image and padding.
 * `begin` is in padded coordinates.
 */
const counted = wgsl`
fn counted(begin: u32, reach: u32, extent: u32, margin: u32) -> u32 {
  let inside = min(begin + reach, extent + margin) - max(begin, margin);
  return select(inside, min(reach, extent + 2u * margin - begin), padCounts != 0u);
}`;

/** One output (of one or four channels) a thread. */
const pool = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "y"], rejects: fourChannels } : {}),
    groups: ({ N, P, Q, C }) => [cover((Q * C) / of, 64), P, N],
    body: () => wgsl`
${counted}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= Q * channels) { return; }
  let q = global.x / channels;
  let c = global.x - q * channels;
  let top = global.y * strideH;
  let left = q * strideW;
  // Differences below zero wrap around: adding them to the padded position gives the position in the image.
  let r0 = max(top, padH) - top;
  let r1 = min(windowH, H + padH - top);
  let s0 = max(left, padW) - left;
  let s1 = min(windowW, W + padW - left);
  let origin = (global.z * H + top - padH) * W + left - padW;
  var sum = T(0.0);
  for (var r = r0; r < r1; r++) {
    for (var s = s0; s < s1; s++) { sum += T(x[(origin + r * W + s) * channels + c]); }
  }
  let share = f32(counted(top, windowH, H, padH) * counted(left, windowW, W, padW));
  store_y((global.z * P + global.y) * Q * channels + global.x, c, sum / share);
}`,
  });

/** One input (of one or four channels) a thread: its share of dy from every window that covers it. */
const grad = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["dy", "dx"], rejects: fourChannels } : {}),
    groups: ({ N, H, W, C }) => [cover((W * C) / of, 64), H, N],
    body: () => wgsl`
${counted}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  if (global.x >= W * channels) { return; }
  let col = global.x / channels;
  let c = global.x - col * channels;
  let bottom = global.y + padH;
  let right = col + padW;
  let p0 = select((bottom - windowH) / strideH + 1u, 0u, bottom < windowH);
  let p1 = min(bottom / strideH + 1u, P);
  let q0 = select((right - windowW) / strideW + 1u, 0u, right < windowW);
  let q1 = min(right / strideW + 1u, Q);
  var sum = T(0.0);
  for (var p = p0; p < p1; p++) {
    let rows = counted(p * strideH, windowH, H, padH);
    for (var q = q0; q < q1; q++) {
      let share = f32(rows * counted(q * strideW, windowW, W, padW));
      sum += T(dy[((global.z * P + p) * Q + q) * channels + c]) / share;
    }
  }
  store_dx((global.z * H + global.y) * W * channels + global.x, c, sum);
}`,
  });

const gradTiles = poolGradTiles({
  vec: ["dy", "dx"],
  functions: counted,
  held: { v: "vec4f" },
  load: {
    v: "select(vec4f(), vec4f(dy[at]) / f32(counted(p * strideH, windowH, H, padH) * counted(q * strideW, windowW, W, padW)), inside)",
  },
  share: (k) => `v${k}`,
});

export const avgPoolKernels: readonly Kernel[] = [pool(4), pool(1)];
export const avgPoolGradKernels: readonly Kernel[] = [gradTiles, grad(4), grad(1)];
