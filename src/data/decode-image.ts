import { InputError } from "../io/errors";
import { readInputFile } from "../io/read-file";
import type { ImageShape } from "./dataset";
import { resizeBilinear } from "./resample";

export type ImageFormat = "jpeg" | "png" | "webp" | "gif" | "tiff";

/** 50 megapixels: above any camera's picture in a data set, below what a crafted header can claim. */
const MAX_PIXELS = 50e6;

/**
 * The format by a file's first bytes, among those that are decoded; undefined for everything else. SVG in
 * particular is a program for a renderer, not pixels: no decoder gets to see it.
 */
export function imageFormat(bytes: Uint8Array): ImageFormat | undefined {
  const start = String.fromCharCode(...bytes.subarray(0, 12));
  if (start.startsWith("\xff\xd8\xff")) return "jpeg";
  if (start.startsWith("\x89PNG\r\n\x1a\n")) return "png";
  if (start.startsWith("RIFF") && start.endsWith("WEBP")) return "webp";
  if (start.startsWith("GIF87a") || start.startsWith("GIF89a")) return "gif";
  if (start.startsWith("II*\0") || start.startsWith("MM\0*")) return "tiff";
  return undefined;
}

/**
 * An image file as H × W × C bytes. It is turned as its EXIF orientation says, scaled (bilinear; smoothed when
 * it shrinks) until it covers H × W, and its middle is cut out; transparency shows white, an animation gives its first
 * frame. C is 3 for sRGB or 1 for grey: luma of ITU-R 601 (0.299 R + 0.587 G + 0.114 B), as Pillow's "L".
 *
 * @throws InputError `cannot decode FILE: reason` for a truncated, corrupt or too large image (over 50 megapixels) and
 *   for every format but JPEG, PNG, WebP, GIF and TIFF; `cannot read FILE: reason` as `readInputFile`
 * @example const pixels = await decodeImage("7.png", [32, 32, 1]);
 */
export async function decodeImage(file: string, shape: ImageShape): Promise<Uint8Array> {
  return decodeImageBytes(await readInputFile(file), file, shape);
}

/** As `decodeImage`, for a file's bytes that are in memory already; `file` names it in errors. */
export async function decodeImageBytes(
  bytes: Uint8Array,
  file: string,
  shape: ImageShape,
): Promise<Uint8Array> {
  const [H, W, C] = shape;
  if (C !== 1 && C !== 3)
    throw new InputError(`${file}: images are decoded to 1 or 3 channels, the network wants ${C}`);
  if (imageFormat(bytes) === undefined)
    throw new InputError(
      `cannot decode ${file}: it is ${guess(bytes)}; JPEG, PNG, WebP, GIF and TIFF are read`,
    );
  const sharp = await loadSharp();
  let pixels: Uint8Array;
  let found: ImageShape;
  try {
    const decoder = sharp(bytes, { limitInputPixels: MAX_PIXELS });
    const { width, height } = (await decoder.metadata()).autoOrient;
    const scale = Math.max(W / width, H / height);
    const upright = decoder.autoOrient().flatten({ background: "white" });
    const sized =
      scale > 1
        ? upright.extract(middle(width, height, W / scale, H / scale))
        : upright.resize(W, H, { fit: "cover", kernel: "linear" });
    const raw = sized.toColourspace("srgb").raw({ depth: "uchar" });
    const { data, info } = await raw.toBuffer({ resolveWithObject: true });
    pixels = data;
    found = [info.height, info.width, info.channels];
  } catch (error) {
    throw new InputError(`cannot decode ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
  const channels = found[2];
  if (channels !== 1 && channels !== 3)
    throw new InputError(`cannot decode ${file}: it has ${channels} channels, expected 1 or 3`);
  const fitted = found[0] === H && found[1] === W ? pixels : enlarge(pixels, found, [H, W]);
  if (channels === C) return fitted;
  return C === 1 ? luma(fitted) : threefold(fitted);
}

function middle(
  width: number,
  height: number,
  w: number,
  h: number,
): { left: number; top: number; width: number; height: number } {
  const cut = {
    width: Math.min(width, Math.max(1, Math.round(w))),
    height: Math.min(height, Math.max(1, Math.round(h))),
  };
  return { left: (width - cut.width) >> 1, top: (height - cut.height) >> 1, ...cut };
}

/** By our own hand: libvips enlarges with the corners of pixels on each other, which shifts the image by half a pixel. */
function enlarge(pixels: Uint8Array, from: ImageShape, to: readonly [number, number]): Uint8Array {
  const out = new Float32Array(to[0] * to[1] * from[2]);
  resizeBilinear(pixels, from, out, to);
  return Uint8Array.from(out, Math.round);
}

/** Pillow's integer form: weights in 65536ths, rounded. */
function luma(rgb: Uint8Array): Uint8Array {
  const out = new Uint8Array(rgb.length / 3);
  for (let i = 0; i < out.length; i++)
    out[i] =
      ((rgb[3 * i] ?? 0) * 19595 + (rgb[3 * i + 1] ?? 0) * 38470 + (rgb[3 * i + 2] ?? 0) * 7471 + 32768) >>
      16;
  return out;
}

function threefold(grey: Uint8Array): Uint8Array {
  const out = new Uint8Array(grey.length * 3);
  grey.forEach((value, i) => {
    out.fill(value, 3 * i, 3 * i + 3);
  });
  return out;
}

/** What a refused file seems to be, for the message. */
function guess(bytes: Uint8Array): string {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 1024)).trimStart();
  if (start.startsWith("<") && /<svg\b/i.test(start)) return "an SVG drawing";
  if (start.startsWith("BM")) return "a BMP image";
  if (start.startsWith("%PDF")) return "a PDF document";
  if (start.slice(4, 8) === "ftyp") return "a HEIF or AVIF image";
  return "no known image format";
}

/** On first use, so that whoever trains on arrays needs no image decoder. */
export async function loadSharp(): Promise<typeof import("sharp")["default"]> {
  try {
    return (await import("sharp")).default;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`cannot load the image codec "sharp" (npm install sharp): ${reason}`, {
      cause: error,
    });
  }
}
