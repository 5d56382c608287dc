import { cover, type Kernel, kernel } from "../src/kernel";
import { wgsl } from "./wgsl";

type Norm = "N H W C size alpha beta k";

/** `denominator(base, c)` is d at channel c; the paper's β of ¾ is two square roots, exact where `pow` is not. */
const formulas = wgsl`
fn denominator(base: u32, c: u32) -> f32 {
  let c0 = max(c, size / 2u) - size / 2u;
  let c1 = min(c + (size - 1u) / 2u + 1u, C);
  var sum = 0.0;
  for (var at = c0; at < c1; at++) {
    let v = f32(x[base + at]);
    sum += v * v;
  }
  return k + alpha / f32(size) * sum;
}
fn toMinusBeta(d: f32) -> f32 {
  if (beta == 0.75) {
    let root = sqrt(d);
    return 1.0 / (root * sqrt(root));
  }
  return pow(d, -beta);
}`;

/** One value a thread. */
const direct = kernel<Norm>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, H, W, C }) => [cover(N * H * W * C, 64), 1, 1],
  body: () => wgsl`
${formulas}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * H * W * C) { return; }
  let c = i % C;
  store_y(i, c, f32(x[i]) * toMinusBeta(denominator(i - c, c)));
}`,
});

/** One value a thread; the denominators of its neighbours are computed again rather than stored. */
const gradDirect = kernel<Norm>({
  name: "direct",
  workgroup: [64, 1, 1],
  groups: ({ N, H, W, C }) => [cover(N * H * W * C, 64), 1, 1],
  body: () => wgsl`
${formulas}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let i = global.x;
  if (i >= N * H * W * C) { return; }
  let c = i % C;
  let base = i - c;
  let c0 = max(c, (size - 1u) / 2u) - (size - 1u) / 2u;
  let c1 = min(c + size / 2u + 1u, C);
  var sum = 0.0;
  var own = 0.0;
  for (var at = c0; at < c1; at++) {
    let d = denominator(base, at);
    let power = toMinusBeta(d);
    sum += f32(dy[base + at]) * f32(x[base + at]) * power / d;
    if (at == c) { own = f32(dy[i]) * power; }
  }
  store_dx(i, c, own - 2.0 * alpha * beta / f32(size) * f32(x[i]) * sum);
}`,
});

export const localResponseNormKernels: readonly Kernel[] = [direct];
export const localResponseNormGradKernels: readonly Kernel[] = [gradDirect];
