import { cover, type Kernel, kernel, type Sizes } from "../../src/kernel";
import { wgsl } from "../wgsl";

type Pool = "N H W C P Q windowH windowW strideH strideW padH padW";

const list = (n: number, item: (k: number) => string): string =>
  Array.from({ length: n }, (_, k) => item(k)).join("\n");

/** Strides that a tile is wide: about four columns. */
const across = (strideW: number): number => Math.max(1, Math.floor(4 / strideW));

/**
 * A pooling's gradient by tiles: four channels of a tile of inputs a thread, stride rows high and a few strides wide,
 * laid so that every window covers it in the same way. Which inputs a window covers is then known here, every window is
 * loaded once a tile, and nothing is divided by a stride.
 *
 * @param load statements that load window (p, q), at index `at` of dy and there only if `inside`, under names ending in `suffix`
 * @param share what the input at `place` of the window receives
 */
export const poolGradTiles = (options: {
  readonly vec: readonly string[];
  readonly functions?: string;
  readonly load: (suffix: string) => string;
  readonly share: (suffix: string, place: number) => string;
}): Kernel =>
  kernel<Pool>({
    name: "tiles",
    workgroup: [64, 1, 1],
    vec: options.vec,
    constants: ["windowH", "windowW", "strideH", "strideW"],
    rejects: ({ C, windowH, windowW, strideH, strideW }) => {
      if (C % 4 !== 0) return `C is ${C}, not a multiple of 4`;
      return windowH * windowW > 9 || strideH > 3 || strideW > 3
        ? `a ${windowH}×${windowW} window with stride ${strideH}, ${strideW} is large`
        : undefined;
    },
    groups: ({ N, H, W, C, strideH, strideW, padH, padW }) => [
      cover((Math.ceil((W + padW) / (across(strideW) * strideW)) * C) / 4, 64),
      Math.ceil((H + padH) / strideH),
      N,
    ],
    body: (sizes) => {
      const { strideH, strideW } = sizes;
      const wide = across(strideW) * strideW;
      return wgsl`
${options.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let tile = global.x / channels;
  let c = global.x - tile * channels;
  if (tile * ${wide}u >= W + padW) { return; }
  let q0 = tile * ${across(strideW)}u;
  let left = tile * ${wide}u - padW;
  let top = global.y * strideH - padH;
${list(strideH, (a) => list(wide, (b) => `  var dx${a}_${b} = vec4f();`))}
${windows(sizes, options)}
${list(
  strideH,
  (a) => `  if (top + ${a}u < H) {
    let i = ((global.z * H + top + ${a}u) * W + left) * channels + c;
${list(wide, (b) => `    if (left + ${b}u < W) { store_dx(i + ${b}u * channels, c, dx${a}_${b}); }`)}
  }`,
)}
}`;
    },
  });

/** Window (t − i, f + v) covers the tile's input (a, b) with its value (a + i·strideH, b − v·strideW). */
function windows(
  { windowH, windowW, strideH, strideW }: Sizes<Pool>,
  { load, share }: Parameters<typeof poolGradTiles>[0],
): string {
  const wide = across(strideW) * strideW;
  const reach = Math.ceil(windowW / strideW);
  return list(Math.ceil(windowH / strideH), (i) =>
    list(across(strideW) + reach - 1, (k) => {
      const first = (k - reach + 1) * strideW;
      const shares: string[] = [];
      for (let a = 0; a < strideH && a + i * strideH < windowH; a++) {
        for (let s = 0; s < windowW; s++) {
          const b = s + first;
          if (b < 0 || b >= wide) continue;
          shares.push(`    dx${a}_${b} += ${share(`${i}_${k}`, (a + i * strideH) * windowW + s)};`);
        }
      }
      return `  {
    let p = global.y - ${i}u;
    let q = q0 + ${k}u - ${reach - 1}u;
    let inside = p < P && q < Q;
    let at = ((global.z * P + min(p, P - 1u)) * Q + min(q, Q - 1u)) * channels + c;
    ${load(`${i}_${k}`)}
${shares.join("\n")}
  }`;
    }),
  );
}
