import type { ImageShape } from "./dataset";

/**
 * Bilinear interpolation with pixel centres at half-integers and edges held, as PyTorch's
 * `interpolate(mode="bilinear", align_corners=False)`; no smoothing before a reduction.
 *
 * @param pixels H·W·C values
 * @param out H'·W'·C values, filled from `at` on
 */
export function resizeBilinear(
  pixels: ArrayLike<number>,
  [H, W, C]: ImageShape,
  out: Float32Array,
  [toH, toW]: readonly [number, number],
  at = 0,
): void {
  const rows = taps(H, toH);
  const columns = taps(W, toW);
  let to = at;
  for (const row of rows)
    for (const column of columns)
      for (let c = 0; c < C; c++) {
        const topLeft = pixels[(row.low * W + column.low) * C + c] ?? 0;
        const topRight = pixels[(row.low * W + column.high) * C + c] ?? 0;
        const bottomLeft = pixels[(row.high * W + column.low) * C + c] ?? 0;
        const bottomRight = pixels[(row.high * W + column.high) * C + c] ?? 0;
        const top = topLeft + (topRight - topLeft) * column.weight;
        const bottom = bottomLeft + (bottomRight - bottomLeft) * column.weight;
        out[to++] = top + (bottom - top) * row.weight;
      }
}

/** The two source positions of each output position, and the weight of the higher one. */
function taps(from: number, to: number): { low: number; high: number; weight: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const position = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(Math.floor(position), from - 1);
    const high = Math.min(low + 1, from - 1);
    return { low, high, weight: high === low ? 0 : position - low };
  });
}

/** The image in the middle of zeros; an odd remainder goes below and to the right. H' ≥ H and W' ≥ W. */
export function padWithZeros(
  bytes: Uint8Array,
  [H, W, C]: ImageShape,
  out: Float32Array,
  [toH, toW]: readonly [number, number],
  at = 0,
): void {
  const top = (toH - H) >> 1;
  const left = (toW - W) >> 1;
  out.fill(0, at, at + toH * toW * C);
  for (let y = 0; y < H; y++)
    out.set(bytes.subarray(y * W * C, (y + 1) * W * C), at + ((top + y) * toW + left) * C);
}
