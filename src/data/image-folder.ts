import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { InputError } from "../io/errors";
import { fileReason } from "../io/file-reason";
import type { Dataset, ImageShape, Split } from "./dataset";
import { decodeImage } from "./decode-image";

const DECODED = [".jpg", ".jpeg", ".png", ".webp", ".gif", ".tif", ".tiff"];
/** Images that somebody put there as data, but that are not decoded: they count as bad instead of vanishing. */
const REFUSED = [".svg", ".bmp", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".pbm"];
/** Where held-out images are looked for, in this order. */
const HELD_OUT = ["val", "test"];

export interface ImageFolderOptions {
  /** [H, W, C] to which every image is decoded; C is 1 or 3. Default [224, 224, 3]. */
  readonly shape?: ImageShape | undefined;
  /** "fail" stops at an image that cannot be decoded; "skip" leaves it out and counts it. Default "fail". */
  readonly onBadImage?: "fail" | "skip" | undefined;
  /** Told once of each image that is left out. */
  readonly onSkip?: ((error: InputError) => void) | undefined;
}

/**
 * Image files in train/CLASS/… and val/CLASS/… (or test/CLASS/…), the convention of torchvision's ImageFolder:
 * classes are the folders under train/ in the order of their names, images the files below them. Images are decoded
 * when a batch needs them, so a damaged one shows itself then.
 *
 * @throws InputError for a missing folder, a class without images, or a class under val/ that train/ does not have
 * @example const data = await openImageFolder("pets", { shape: [224, 224, 3], onBadImage: "skip" });
 */
export async function openImageFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const shape = options.shape ?? [224, 224, 3];
  const trainFolder = join(folder, "train");
  const classes = await classFolders(trainFolder);
  if (classes.length === 0)
    throw new InputError(`${trainFolder}: no class folders; images are expected in ${trainFolder}/CLASS/`);

  const beside = await entries(folder);
  const heldOut = HELD_OUT.find((name) => beside.some((entry) => entry.name === name && entry.isFolder));
  if (heldOut === undefined)
    throw new InputError(
      `${folder}: no held-out images; expected ${HELD_OUT.map((name) => `${name}/CLASS/`).join(" or ")}`,
    );
  const testFolder = join(folder, heldOut);
  const testClasses = await classFolders(testFolder);
  const unknown = testClasses.find((name) => !classes.includes(name));
  if (unknown !== undefined)
    throw new InputError(
      `${join(testFolder, unknown)}: ${trainFolder} has no class of this name (it has ${listed(classes)})`,
    );
  if (testClasses.length === 0) throw new InputError(`${testFolder}: no class folders`);

  return {
    name: folder,
    classes,
    shape,
    train: await openSplit(trainFolder, classes, classes, shape, options),
    test: await openSplit(testFolder, testClasses, classes, shape, options),
  };
}

async function openSplit(
  folder: string,
  present: readonly string[],
  classes: readonly string[],
  shape: ImageShape,
  { onBadImage = "fail", onSkip }: ImageFolderOptions,
): Promise<Split> {
  const files: string[] = [];
  const labels: number[] = [];
  for (const name of present) {
    const found = await imagesBelow(join(folder, name));
    if (found.length === 0)
      throw new InputError(`${join(folder, name)}: no images (looked for ${DECODED.join(" ")})`);
    const label = classes.indexOf(name);
    for (const file of found) {
      files.push(file);
      labels.push(label);
    }
  }
  const bad = new Set<number>();
  return {
    shape,
    count: files.length,
    labels: Uint32Array.from(labels),
    get skipped() {
      return bad.size;
    },
    async read(index) {
      if (bad.has(index)) return undefined;
      try {
        return await decodeImage(files[index] ?? "", shape);
      } catch (error) {
        if (onBadImage === "fail" || !(error instanceof InputError)) throw error;
        bad.add(index);
        onSkip?.(error);
        return undefined;
      }
    },
  };
}

interface Entry {
  readonly name: string;
  readonly isFolder: boolean;
}

/** A folder's visible entries in the order of their names, links followed. */
async function entries(folder: string): Promise<Entry[]> {
  try {
    const found = (await readdir(folder, { withFileTypes: true })).filter(
      (entry) => !entry.name.startsWith("."),
    );
    found.sort((a, b) => (a.name < b.name ? -1 : 1));
    return await Promise.all(
      found.map(async (entry) => ({
        name: entry.name,
        isFolder: entry.isSymbolicLink()
          ? await leadsToFolder(join(folder, entry.name))
          : entry.isDirectory(),
      })),
    );
  } catch (error) {
    throw new InputError(`cannot read ${folder}: ${fileReason(error)}`, { cause: error });
  }
}

/** A dangling link counts as a file: reading it later says what is wrong with it. */
async function leadsToFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

async function classFolders(folder: string): Promise<string[]> {
  return (await entries(folder)).filter((entry) => entry.isFolder).map((entry) => entry.name);
}

/** All image files below a folder; `above` are the folders that lead here, so that a circle of links ends. */
async function imagesBelow(folder: string, above: readonly string[] = []): Promise<string[]> {
  const real = await realpath(folder);
  if (above.includes(real)) return [];
  const out: string[] = [];
  for (const { name, isFolder } of await entries(folder)) {
    const path = join(folder, name);
    const extension = extname(name).toLowerCase();
    if (isFolder) out.push(...(await imagesBelow(path, [...above, real])));
    else if (DECODED.includes(extension) || REFUSED.includes(extension)) out.push(path);
  }
  return out;
}

function listed(names: readonly string[]): string {
  return names.length <= 10
    ? names.join(", ")
    : `${names.slice(0, 10).join(", ")} and ${names.length - 10} more`;
}
