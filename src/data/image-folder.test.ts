import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../io/errors";
import { batches } from "./batches";
import { decodeImage, decodeImageBytes, imageFormat } from "./decode-image";
import { openImageFolder } from "./image-folder";
import { openDataset } from "./open-dataset";

type Colour = { r: number; g: number; b: number };
const plain = (width: number, height: number, background: Colour) =>
  sharp({ create: { width, height, channels: 3, background } });
const red = { r: 255, g: 0, b: 0 };

let root = "";
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "striate-images-"));
});
afterAll(async () => {
  await rm(root, { recursive: true });
});

async function put(path: string, bytes: Uint8Array | string): Promise<string> {
  const file = join(root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, bytes);
  return file;
}
const refusal = async (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => "accepted",
    (error: unknown) => {
      if (error instanceof InputError) return error.message;
      throw error;
    },
  );

describe("decodeImage", () => {
  it.each(["png", "webp", "gif", "tiff", "jpeg"] as const)("reads %s", async (format) => {
    const bytes = await plain(4, 4, red).toFormat(format, { quality: 100 }).toBuffer();
    expect(imageFormat(bytes)).toBe(format);
    const pixels = await decodeImageBytes(bytes, "f", [2, 3, 3]);
    expect(pixels.length).toBe(18);
    expect(pixels[0]).toBeGreaterThan(250);
    expect(pixels[1]).toBeLessThan(8);
  });

  it("makes grey as Pillow does, and colour of grey", async () => {
    const colour = await plain(2, 2, { r: 200, g: 100, b: 50 }).png().toBuffer();
    expect([...(await decodeImageBytes(colour, "f", [1, 1, 1]))]).toEqual([124]); // 0.299·200 + 0.587·100 + 0.114·50
    const grey = await plain(2, 2, { r: 70, g: 70, b: 70 }).toColourspace("b-w").png().toBuffer();
    expect((await sharp(grey).metadata()).channels).toBe(1);
    expect([...(await decodeImageBytes(grey, "f", [1, 1, 3]))]).toEqual([70, 70, 70]);
    expect([...(await decodeImageBytes(grey, "f", [1, 1, 1]))]).toEqual([70]);
  });

  it("reads 16 bits a channel, palettes, transparency and CMYK", async () => {
    const deep = await plain(2, 2, red).toColourspace("rgb16").png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe("ushort");
    const palette = await plain(2, 2, red).png({ palette: true }).toBuffer();
    for (const bytes of [deep, palette])
      expect([...(await decodeImageBytes(bytes, "f", [1, 1, 3]))]).toEqual([255, 0, 0]);
    const transparent = await plain(2, 2, red).ensureAlpha(0).png().toBuffer();
    expect([...(await decodeImageBytes(transparent, "f", [1, 1, 3]))]).toEqual([255, 255, 255]);
    const cmyk = await plain(2, 2, red).toColourspace("cmyk").jpeg().toBuffer();
    const [r = 0, g = 0] = await decodeImageBytes(cmyk, "f", [1, 1, 3]);
    expect(r).toBeGreaterThan(g + 100);
  });

  it("turns an image as its EXIF orientation says", async () => {
    // Left half red, right half blue; orientation 6 is turned a quarter clockwise: red is above.
    const halves = await plain(8, 8, { r: 0, g: 0, b: 255 })
      .composite([{ input: await plain(4, 8, red).png().toBuffer(), left: 0, top: 0 }])
      .withMetadata({ orientation: 6 })
      .png()
      .toBuffer();
    const pixels = await decodeImageBytes(halves, "f", [8, 8, 3]);
    expect([...pixels.subarray(0, 3)]).toEqual([255, 0, 0]);
    expect([...pixels.subarray(7 * 3, 8 * 3)]).toEqual([255, 0, 0]);
    expect([...pixels.subarray(7 * 8 * 3, 7 * 8 * 3 + 3)]).toEqual([0, 0, 255]);
  });

  it("enlarges with pixel centres at half-integers, as Pillow does", async () => {
    const ramp = sharp(Uint8Array.of(0, 100, 200, 50), { raw: { width: 4, height: 1, channels: 1 } });
    const pixels = await decodeImageBytes(await ramp.png().toBuffer(), "f", [2, 8, 1]);
    const row = [0, 25, 75, 125, 175, 163, 88, 50]; // Pillow 13, resize((8, 2), BILINEAR)
    expect([...pixels]).toEqual([...row, ...row]);
  });

  it("enlarges the middle of an image that lies on its side", async () => {
    // Stored 2 high, 6 wide: red, green, blue pairs; upright it is 2 wide, 6 high. Its middle is green.
    const row = [255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255];
    const stripes = sharp(Uint8Array.from([...row, ...row]), { raw: { width: 6, height: 2, channels: 3 } });
    const bytes = await stripes.withMetadata({ orientation: 6 }).png().toBuffer();
    const green = Array.from({ length: 64 }, () => [0, 255, 0]).flat();
    expect([...(await decodeImageBytes(bytes, "f", [8, 8, 3]))]).toEqual(green);
    const tall = await decodeImageBytes(bytes, "f", [12, 4, 3]);
    expect([...tall.subarray(0, 3), ...tall.subarray(-3)]).toEqual([255, 0, 0, 0, 0, 255]);
  });

  it("cuts out the middle of an image of another aspect", async () => {
    const wide = await plain(30, 10, { r: 0, g: 0, b: 255 })
      .composite([{ input: await plain(10, 10, red).png().toBuffer(), left: 10, top: 0 }])
      .png()
      .toBuffer();
    expect([...(await decodeImageBytes(wide, "f", [10, 10, 3]))]).toEqual(
      Array.from({ length: 100 }, () => [255, 0, 0]).flat(),
    );
  });

  it("refuses what is not an image that is read, before any decoder sees it", async () => {
    const svg = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
    const cases = [
      [svg, "an SVG drawing"],
      ["<svg/>", "an SVG drawing"],
      ["BM......", "a BMP image"],
      ["\0\0\0\x1cftypavif", "a HEIF or AVIF image"],
      ["hello", "no known image format"],
    ] as const;
    for (const [text, what] of cases) {
      const file = await put("refused/a.png", text);
      expect(await refusal(decodeImage(file, [4, 4, 3]))).toBe(
        `cannot decode ${file}: it is ${what}; JPEG, PNG, WebP, GIF and TIFF are read`,
      );
    }
  });

  it("refuses truncated, damaged and oversized images in one line", async () => {
    const noise = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const image = sharp(noise, { raw: { width: 64, height: 64, channels: 3 } });
    for (const format of ["jpeg", "png", "webp"] as const) {
      const bytes = await image.clone().toFormat(format).toBuffer();
      const cut = await put(`cut.${format}`, bytes.subarray(0, bytes.length >> 1));
      const message = await refusal(decodeImage(cut, [32, 32, 3]));
      expect(message).toMatch(/^cannot decode \S+cut\.\w+: \S/);
      expect(message).not.toMatch(/\n/);
    }
    const huge = await plain(8000, 8000, red).png({ compressionLevel: 9 }).toBuffer();
    expect(await refusal(decodeImageBytes(huge, "huge.png", [8, 8, 3]))).toBe(
      "cannot decode huge.png: Input image exceeds pixel limit",
    );
  });

  it("says why a file cannot be read, and which channels there are", async () => {
    expect(await refusal(decodeImage(join(root, "none.png"), [4, 4, 3]))).toBe(
      `cannot read ${root}/none.png: no such file or folder`,
    );
    expect(await refusal(decodeImageBytes(new Uint8Array(), "f", [4, 4, 2]))).toBe(
      "f: images are decoded to 1 or 3 channels, the network wants 2",
    );
  });

  it("property: damaged images are decoded or refused in one line", async () => {
    const bytes = await plain(9, 9, red).png().toBuffer();
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(bytes.length), async (at, byte, cut) => {
        const mutant = Uint8Array.from(bytes);
        mutant[at] = byte;
        expect(await refusal(decodeImageBytes(mutant.subarray(0, cut), "f", [4, 4, 3]))).not.toMatch(/\n/);
      }),
    );
  });
});

describe("openImageFolder", () => {
  const shade = (value: number) => plain(4, 4, { r: value, g: value, b: value }).png().toBuffer();

  async function pets(name: string): Promise<string> {
    await put(`${name}/train/dog/b.png`, await shade(20));
    await put(`${name}/train/dog/a.PNG`, await shade(10));
    await put(`${name}/train/cat/deep/er/c.png`, await shade(30));
    await put(`${name}/train/cat/notes.txt`, "not an image, not data");
    await put(`${name}/train/.cache/x.png`, await shade(1));
    await put(`${name}/val/dog/d.png`, await shade(40));
    return join(root, name);
  }

  it("reads classes and images in the order of their names", async () => {
    const folder = await pets("pets");
    const data = await openDataset(folder, { shape: [2, 2, 1] });
    expect(data.classes).toEqual(["cat", "dog"]);
    expect([...data.train.labels]).toEqual([0, 1, 1]);
    expect([...data.test.labels]).toEqual([1]);
    const values: number[] = [];
    for await (const { image } of batches(data.train, { batch: 1, std: [1 / 255] }))
      values.push(image[0] ?? 0);
    expect(values.map(Math.round)).toEqual([30, 10, 20]);
  });

  it("follows links, but not in circles", async () => {
    const folder = await pets("links");
    await symlink("../dog", join(folder, "train", "cat", "same"));
    await symlink("..", join(folder, "train", "cat", "up"));
    await symlink("dog", join(folder, "train", "puppy"));
    const data = await openImageFolder(folder, { shape: [2, 2, 1] });
    expect(data.classes).toEqual(["cat", "dog", "puppy"]);
    expect([...data.train.labels].filter((label) => label === 2).length).toBe(2);
  });

  it("stops at a bad image by default, and skips and counts it on request", async () => {
    const folder = await pets("bad");
    const svg = await put("bad/train/cat/bad.svg", "<svg/>");
    const line = `cannot decode ${svg}: it is an SVG drawing; JPEG, PNG, WebP, GIF and TIFF are read`;
    const run = async (onBadImage: "fail" | "skip"): Promise<string[]> => {
      const told: string[] = [];
      const { train } = await openImageFolder(folder, {
        shape: [2, 2, 1],
        onBadImage,
        onSkip: (error) => told.push(error.message),
      });
      for (const epoch of [0, 1]) {
        const seen: number[] = [];
        for await (const batch of batches(train, { batch: 2, seed: 1, epoch })) seen.push(...batch.indices);
        expect(seen.sort()).toEqual([1, 2, 3]);
      }
      expect(train.skipped).toBe(1);
      return told;
    };
    expect(await refusal(run("fail"))).toBe(line);
    expect(await run("skip")).toEqual([line]);
  });

  it("names what is missing", async () => {
    await put("no-classes/train/a.png", "");
    await put("no-val/train/a/a.png", "");
    await put("empty-class/train/a/a.txt", "");
    await put("empty-class/test/a/a.png", "");
    await put("other-class/train/a/a.png", "");
    await put("other-class/test/b/b.png", "");
    const at = (name: string): string => join(root, name);
    expect(await refusal(openImageFolder(at("no-classes")))).toBe(
      `${at("no-classes")}/train: no class folders; images are expected in ${at("no-classes")}/train/CLASS/`,
    );
    expect(await refusal(openImageFolder(at("no-val")))).toBe(
      `${at("no-val")}: no held-out images; expected val/CLASS/ or test/CLASS/`,
    );
    expect(await refusal(openImageFolder(at("empty-class")))).toBe(
      `${at("empty-class")}/train/a: no images (looked for .jpg .jpeg .png .webp .gif .tif .tiff)`,
    );
    expect(await refusal(openImageFolder(at("other-class")))).toBe(
      `${at("other-class")}/test/b: ${at("other-class")}/train has no class of this name (it has a)`,
    );
  });
});

describe("openDataset", () => {
  it("knows the built-in set by its name", async () => {
    expect((await openDataset("digits")).train.count).toBe(1442);
  });

  it("lists what it looked for", async () => {
    await mkdir(join(root, "nothing"));
    expect(await refusal(openDataset(join(root, "nothing")))).toBe(
      `cannot open data set ${root}/nothing: found neither IDX files (train-images-idx3-ubyte[.gz] and its three ` +
        "companions) nor train/CLASS/ folders with images",
    );
    expect(await refusal(openDataset(join(root, "none")))).toBe(
      `cannot open data set ${root}/none: no such file or folder (the word "digits" names the built-in set)`,
    );
    const file = await put("a-file", "x");
    expect(await refusal(openDataset(file))).toBe(
      `cannot open data set ${file}: it is a file; give the folder that holds the data`,
    );
  });
});
