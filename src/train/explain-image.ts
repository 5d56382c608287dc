import { batches } from "../data/batches";
import type { Split } from "../data/dataset";
import { decodeImage } from "../data/decode-image";
import { encodePng } from "../data/encode-png";
import type { ClassMaps } from "../explain/class-maps";
import { type HeatMap, resizeHeatMap } from "../explain/heat-map";
import { overlayHeatMap } from "../explain/overlay";
import type { CheckpointInfo, ImagePreparation } from "./checkpoint-info";

/** Where a network sees a class in an image. */
export interface Explanation {
  /** The class's number and name, and how probable the network finds it. */
  readonly class: number;
  readonly label: string;
  readonly probability: number;
  /** [H', W'] of the layer, over the network's whole input. */
  readonly map: HeatMap;
  /** The part of the image that the network sees, enlarged to 224 pixels or more, under the map: a PNG file's bytes. */
  readonly png: Uint8Array;
}

/** Shorter side of the pictures, at least. */
const SHOWN = 224;

/**
 * Shows where in an image file a network sees a class. The image is prepared as the training images were.
 *
 * @param maps made by `compileGradCam` or `compileCam` for a batch of 1
 * @param wanted a class's number; the most probable one if not given
 * @throws InputError for a file that is no image; RangeError for a class that the network does not have
 * @example
 * const { network, info } = await openTrainedModel(checkpoint, { device, batch: 1 });
 * const maps = await compileGradCam(network.model, { device, state: network.state });
 * const { label, png } = await explainImage(maps, info, "7.png");
 */
export async function explainImage(
  maps: ClassMaps,
  { images, classes }: CheckpointInfo,
  file: string,
  wanted?: number,
): Promise<Explanation> {
  const pixels = await decodeImage(file, images.source);
  const split: Split = {
    shape: images.source,
    count: 1,
    labels: Uint32Array.of(0),
    read: () => pixels,
    skipped: 0,
  };
  const { size, fit, mean, std } = images;
  for await (const { image } of batches(split, { batch: 1, size, fit, mean, std })) {
    const result = await maps.run({ image }, wanted === undefined ? undefined : [wanted]);
    const [map] = result.maps;
    const [k = 0] = result.classes;
    if (map === undefined) break;
    return {
      class: k,
      label: classes[k] ?? String(k),
      probability: result.probabilities[k] ?? 0,
      map,
      png: await picture(file, map, images),
    };
  }
  throw new Error(`${file}: there is no heat map`);
}

async function picture(
  file: string,
  map: HeatMap,
  { source: [H, W], size, fit }: ImagePreparation,
): Promise<Uint8Array> {
  const times = Math.max(1, Math.ceil(SHOWN / Math.min(H, W)));
  const [height, width] = [H * times, W * times];
  const pixels = await decodeImage(file, [height, width, 3]);
  const shown =
    fit === "resize"
      ? resizeHeatMap(map, [height, width])
      : middle(resizeHeatMap(map, [size[0] * times, size[1] * times]), [H, W], size, times);
  return encodePng(overlayHeatMap(pixels, shown), [height, width, 3]);
}

/** The part of a map that lies over the image, where zeros stand around it. */
function middle(
  map: HeatMap,
  [H, W]: readonly [number, number],
  [toH, toW]: readonly [number, number],
  times: number,
): HeatMap {
  const [top, left] = [((toH - H) >> 1) * times, ((toW - W) >> 1) * times];
  const [height, width] = [H * times, W * times];
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    const from = (top + y) * map.width + left;
    values.set(map.values.subarray(from, from + width), y * width);
  }
  return { height, width, values };
}
