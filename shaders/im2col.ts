import { cover, type Kernel, kernel } from "../src/kernel";
import { wgsl } from "./wgsl";

/** One value of one window a thread, or four channels of it; neighbours read neighbouring channels. */
const gather = (of: 1 | 4): Kernel =>
  kernel<"N C P Q R S">({
    name: of === 4 ? "vec4" : "scalar",
    workgroup: [64, 1, 1],
    vec: of === 4 ? ["x", "y"] : [],
    rejects: ({ C }) => (of === 1 || C % 4 === 0 ? undefined : `C is ${C}, not a multiple of 4`),
    groups: ({ N, C, P, Q, R, S }) => [cover((R * S * C) / of, 64), P * Q, N],
    body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / ${of}u;
  let at = global.x;
  if (at >= R * S * channels) { return; }
  let c = at % channels;
  // Rows above the image wrap around to huge numbers, so one comparison tests both edges.
  let h = global.y / Q * strideH + at / (channels * S) * dilationH - padH;
  let col = global.y % Q * strideW + at / channels % S * dilationW - padW;
  var v = T(0);
  if (h < H && col < W) { v = T(x[((global.z * H + h) * W + col) * channels + c]); }
  store_y((global.z * P * Q + global.y) * R * S * channels + at, c, v);
}`,
  });

export const im2colKernels: readonly Kernel[] = [gather(4), gather(1)];
