import { cover, kernel } from "../src/kernel";
import { wgsl } from "./wgsl";

/** One output a thread. */
export const transposeDirect = kernel<"M N">({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ M, N }) => [cover(M * N, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= M * N) { return; }
  let m = i % M;
  store_y(i, m, f32(x[m * N + i / M]));
}`,
});
