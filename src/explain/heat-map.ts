import { resizeBilinear } from "../data/resample";

/** Where in an image a network found something: `height` × `width` values, row by row. */
export interface HeatMap {
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/**
 * Σ over the channels of weight times feature, for one image.
 *
 * @param features [H, W, C]
 * @param weights [C]
 */
export function weightedSum(
  features: Float32Array,
  weights: Float32Array,
  [height, width]: readonly [H: number, W: number],
): HeatMap {
  const C = weights.length;
  const values = new Float32Array(height * width);
  for (let place = 0; place < values.length; place++) {
    let sum = 0;
    for (let c = 0; c < C; c++) sum += (features[place * C + c] ?? 0) * (weights[c] ?? 0);
    values[place] = sum;
  }
  return { height, width, values };
}

/**
 * A heat map at another size, such as the image's: bilinear, pixel centres at half-integers.
 *
 * @example resizeHeatMap(map, [224, 224])
 */
export function resizeHeatMap(
  { height, width, values }: HeatMap,
  [H, W]: readonly [H: number, W: number],
): HeatMap {
  const resized = new Float32Array(H * W);
  resizeBilinear(values, [height, width, 1], resized, [H, W]);
  return { height: H, width: W, values: resized };
}

/**
 * Row, column and value of a heat map's highest value, the first of equals.
 *
 * @example const { row, column } = peakOf(map);
 */
export function peakOf({ width, values }: HeatMap): {
  readonly row: number;
  readonly column: number;
  readonly value: number;
} {
  let best = 0;
  for (let k = 1; k < values.length; k++) if ((values[k] ?? 0) > (values[best] ?? 0)) best = k;
  return { row: Math.floor(best / width), column: best % width, value: values[best] ?? 0 };
}
