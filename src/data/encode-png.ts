import { loadSharp } from "./decode-image";

/**
 * An image of H·W·C bytes as the bytes of a PNG file.
 *
 * @param pixels C is 1 for grey or 3 for sRGB
 * @throws InputError when the image codec "sharp" is not installed
 * @example await writeFile("out.png", await encodePng(rgb, [224, 224, 3]));
 */
export async function encodePng(
  pixels: Uint8Array,
  [height, width, channels]: readonly [H: number, W: number, C: 1 | 3],
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  return sharp(pixels, { raw: { height, width, channels } }).png().toBuffer();
}
