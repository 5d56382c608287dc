import { cover, type Kernel, kernel } from "../src/kernel";
import { poolGradTiles } from "./lib/pool-tiles";
import { wgsl } from "./wgsl";

type Pool = "N H W C P Q windowH windowW strideH strideW padH padW";
const fourChannels = ({ C }: { readonly C: number }) =>
  C % 4 === 0 ? undefined : `C is ${C}, not a multiple of 4`;

/** One output (of one or four channels) a thread. Windows are cut to the image first, so that the loops test nothing. */
const pool = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["x", "y", "index"], rejects: fourChannels } : {}),
    groups: ({ N, P, Q, C }) => [cover((Q * C) / of, 64), P, N],
    body: () => wgsl`
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
  var best = T(x[(origin + r0 * W + s0) * channels + c]);
  var place = ${of === 4 ? "vec4u" : "u32"}(r0 * windowW + s0);
  for (var r = r0; r < r1; r++) {
    for (var s = s0; s < s1; s++) {
      let v = T(x[(origin + r * W + s) * channels + c]);
      // Only a greater value replaces the best: the first of equals stays.
      place = select(place, ${of === 4 ? "vec4u" : "u32"}(r * windowW + s), v > best);
      best = max(best, v);
    }
  }
  let i = (global.z * P + global.y) * Q * channels + global.x;
  store_y(i, c, best);
  store_index(i, c, place);
}`,
  });

/** One input (of one or four channels) a thread: it looks at the windows that cover it, which are few. */
const grad = (of: 1 | 4): Kernel =>
  kernel<Pool>({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    ...(of === 4 ? { vec: ["dy", "index", "dx"], rejects: fourChannels } : {}),
    groups: ({ N, H, W, C }) => [cover((W * C) / of, 64), H, N],
    body: () => wgsl`
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
    let row = (global.z * P + p) * Q;
    let above = (bottom - p * strideH) * windowW;
    for (var q = q0; q < q1; q++) {
      let i = (row + q) * channels + c;
      let here = ${of === 4 ? "vec4u" : "u32"}(above + right - q * strideW);
      sum += select(T(0.0), T(dy[i]), index[i] == here);
    }
  }
  store_dx((global.z * H + global.y) * W * channels + global.x, c, sum);
}`,
  });

/** A window outside the output has its maximum nowhere. */
const gradTiles = poolGradTiles({
  vec: ["dy", "index", "dx"],
  load: (k) => `let v${k} = vec4f(dy[at]); let place${k} = select(vec4u(0xffffffffu), index[at], inside);`,
  share: (k, place) => `select(vec4f(), v${k}, place${k} == vec4u(${place}u))`,
});

export const maxPoolKernels: readonly Kernel[] = [pool(4), pool(1)];
export const maxPoolGradKernels: readonly Kernel[] = [gradTiles, grad(4), grad(1)];
