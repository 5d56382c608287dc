import { cover, type Kernel, type KernelContext, kernel } from "../../src/kernel";
import { wgsl } from "../wgsl";
import { list } from "./product";

type Pool = "N H W C P Q windowH windowW strideH strideW padH padW";

/** Strides that a tile is wide: about four columns. */
const across = (strideW: number): number => Math.max(1, Math.floor(4 / strideW));

/** Rows of tiles that a thread walks down: a software adapter pays for every load, a GPU wants threads. */
const bandRows = ({ adapterClass }: KernelContext): number => (adapterClass === "software" ? 16 : 4);

/** Values that a thread holds of every window that it has loaded, by the names that the expressions give them. */
interface WindowValues {
  /** A vector's type by the value's name. */
  readonly held: Readonly<Record<string, "vec4f" | "vec4u">>;
  /** What is loaded of window (p, q), at index `at` of dy, and only means something if `inside`. */
  readonly load: Readonly<Record<string, string>>;
  /** What the input at `place` of a window receives; the values' names end in `suffix`. */
  readonly share: (suffix: string, place: number) => string;
}

/**
 * A pooling's gradient by tiles: four channels of a tile of inputs a thread, stride rows high and a few strides wide,
 * row after row of tiles down a band. Tiles are laid so that every window covers them in the same way: which inputs a
 * window covers is then known here, every window is loaded once a band, and nothing is divided by a stride.
 */
export const poolGradTiles = (
  options: WindowValues & { readonly vec: readonly string[]; readonly functions?: string },
): Kernel =>
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
    groups: ({ N, H, W, C, strideH, strideW, padH, padW }, context) => [
      cover((Math.ceil((W + padW) / (across(strideW) * strideW)) * C) / 4, 64),
      cover(Math.ceil((H + padH) / strideH), bandRows(context)),
      N,
    ],
    body: ({ windowH, windowW, strideH, strideW }, context) => {
      const wide = across(strideW) * strideW;
      const reach = Math.ceil(windowW / strideW);
      const depth = Math.ceil(windowH / strideH);
      const columns = across(strideW) + reach - 1;
      const names = Object.entries(options.held);
      // Row i of those held is window row t − (depth − 1) + i: the newest is the last. Window (t − i, f + v) covers the
      // tile's input (a, b) with its value (a + i·strideH, b − v·strideW).
      const received = (a: number, b: number): string => {
        const terms: string[] = [];
        for (let i = 0; a + i * strideH < windowH; i++)
          for (let s = b % strideW; s < windowW; s += strideW) {
            const k = (b - s) / strideW + reach - 1;
            if (k >= 0 && k < columns)
              terms.push(options.share(`${depth - 1 - i}_${k}`, (a + i * strideH) * windowW + s));
          }
        return terms.length === 0 ? "vec4f()" : terms.join(" + ");
      };
      const each = (item: (i: number, k: number) => string, rows = depth) =>
        list(rows, (i) => list(columns, (k) => item(i, k)));
      return wgsl`
${options.functions ?? ""}
fn run(global: vec3u, group: vec3u, local: vec3u) {
  let channels = C / 4u;
  let tile = global.x / channels;
  let c = global.x - tile * channels;
  if (tile * ${wide}u >= W + padW) { return; }
  let q0 = tile * ${across(strideW)}u;
  let left = tile * ${wide}u - padW;
${each((i, k) => names.map(([name, type]) => `  var ${name}${i}_${k} = ${type}();`).join(" "))}
  let begin = global.y * ${bandRows(context)}u;
  let end = min(begin + ${bandRows(context)}u, (H + padH + strideH - 1u) / strideH);
  // The first turns, before the band, only load the windows that reach into it.
  for (var p = begin - ${depth - 1}u; p != end; p++) {
    let row = (global.z * P + min(p, P - 1u)) * Q;
${list(
  columns,
  (k) => `    {
      let q = q0 + ${k}u - ${reach - 1}u;
      let inside = p < P && q < Q;
      let at = (row + min(q, Q - 1u)) * channels + c;
${names.map(([name]) => `      ${name}${depth - 1}_${k} = ${options.load[name]};`).join("\n")}
    }`,
)}
    if (p >= begin && p < end) {
      let top = p * strideH - padH;
${list(
  strideH,
  (a) => `      if (top + ${a}u < H) {
        let i = ((global.z * H + top + ${a}u) * W + left) * channels + c;
${list(wide, (b) => `        if (left + ${b}u < W) { store_dx(i + ${b}u * channels, c, ${received(a, b)}); }`)}
      }`,
)}
    }
${each((i, k) => names.map(([name]) => `${name}${i}_${k} = ${name}${i + 1}_${k};`).join(" "), depth - 1)}
  }
}`;
    },
  });
