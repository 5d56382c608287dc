import { type HeatMap, peakOf } from "./heat-map";

type Rgb = readonly [number, number, number];

// Matplotlib's colour map "inferno" (van der Walt & Smith 2015), whose brightness grows evenly with the value: every
// seventeenth of its 256 colours, first and last among them.
const INFERNO: readonly Rgb[] = [
  [0, 0, 4],
  [12, 8, 38],
  [36, 12, 79],
  [66, 10, 104],
  [93, 18, 110],
  [120, 28, 109],
  [147, 38, 103],
  [174, 48, 92],
  [199, 62, 76],
  [221, 81, 58],
  [237, 105, 37],
  [248, 133, 15],
  [252, 165, 10],
  [250, 198, 45],
  [242, 230, 97],
  [252, 255, 164],
];

/**
 * The colour of a value from 0 to 1, each channel from 0 to 255: black by violet and orange to pale yellow, evenly
 * brighter, so that differences look as large as they are and colour-blind eyes see them.
 *
 * @example heatColour(1) // [252, 255, 164]
 */
export function heatColour(value: number): Rgb {
  const place = Math.min(1, Math.max(0, value)) * (INFERNO.length - 1);
  const low = Math.min(Math.floor(place), INFERNO.length - 2);
  const [a, b] = [INFERNO[low] ?? [0, 0, 0], INFERNO[low + 1] ?? [0, 0, 0]];
  const mix = (from: number, to: number) => from + (to - from) * (place - low);
  return [mix(a[0], b[0]), mix(a[1], b[1]), mix(a[2], b[2])];
}

/**
 * Lays a heat map over an image of the same size. The map's highest value gets the brightest colour; zero and less
 * darken the image.
 *
 * @param pixels H·W·C bytes, C 1 or 3
 * @param opacity share of the map's colour, from 0 to 1
 * @returns H·W·3 bytes
 * @throws RangeError when the sizes differ
 * @example const rgb = overlayHeatMap(pixels, resizeHeatMap(map, [224, 224]));
 */
export function overlayHeatMap(pixels: Uint8Array, map: HeatMap, opacity = 0.6): Uint8Array {
  const places = map.height * map.width;
  const C = pixels.length / places;
  if (C !== 1 && C !== 3)
    throw new RangeError(
      `overlay: ${pixels.length} bytes are no image of ${map.height}×${map.width} in 1 or 3 channels`,
    );
  const highest = peakOf(map).value;
  const rgb = new Uint8Array(places * 3);
  for (let place = 0; place < places; place++) {
    const colour = heatColour(highest > 0 ? (map.values[place] ?? 0) / highest : 0);
    for (let c = 0; c < 3; c++) {
      const pixel = pixels[place * C + (C === 1 ? 0 : c)] ?? 0;
      rgb[3 * place + c] = Math.round(pixel + ((colour[c] ?? 0) - pixel) * opacity);
    }
  }
  return rgb;
}
