import { cover, kernel } from "../src/kernel";
import { list } from "./lib/product";
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

/** Four by four values a thread, side by side in the result. */
export const transposeFours = kernel<"M N">({
  name: "vec4",
  workgroup: [64, 1, 1],
  vec: ["x", "y"],
  rejects: ({ M, N }) => (M % 4 === 0 && N % 4 === 0 ? undefined : `${M}×${N} is not in fours`),
  groups: ({ M, N }) => [cover((M * N) / 16, 64), 1, 1],
  body: () => wgsl`
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let down = M / 4u;
  let across = N / 4u;
  if (global.x >= down * across) { return; }
  let m = global.x % down;
  let n = global.x / down;
${list(4, (r) => `  let x${r} = vec4f(x[(m * 4u + ${r}u) * across + n]);`)}
${list(4, (c) => `  store_y((n * 4u + ${c}u) * down + m, m, vec4f(${list(4, (r) => `x${r}.${"xyzw"[c]}`, ", ")}));`)}
}`,
});
