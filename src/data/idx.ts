import { constants as bufferConstants } from "node:buffer";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { constants, gunzip, gunzipSync } from "node:zlib";
import { InputError } from "../io/errors";
import { errorCode, fileReason } from "../io/file-reason";
import { readInputFile } from "../io/read-file";
import { checkLabels, type Dataset, memorySplit, type Split } from "./dataset";

/** What an IDX file's magic number says of it: the type of its elements (8: unsigned bytes) and its rank. */
const IMAGES = { magic: 0x803, rank: 3, items: "images" } as const;
const LABELS = { magic: 0x801, rank: 1, items: "labels" } as const;
type Kind = typeof IMAGES | typeof LABELS;

/** No deflate stream grows by more than this factor. */
const DEFLATE_LIMIT = 1032;

export interface IdxImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** count × height × width bytes: a view of the file's. */
  readonly images: Uint8Array;
}

/**
 * The images of an IDX file (magic 0x803: unsigned bytes, three axes), already decompressed.
 *
 * @throws InputError `FILE: magic 0x…, expected 0x803`, or `FILE: header says n images (b bytes), file has m`
 * @see http://yann.lecun.com/exdb/mnist, "the IDX file format"
 */
export function parseIdxImages(bytes: Uint8Array, file: string): IdxImages {
  const { sizes, body } = parseIdx(bytes, file, IMAGES);
  const [count = 0, height = 0, width = 0] = sizes;
  return { count, height, width, images: body };
}

/** The labels of an IDX file (magic 0x801: unsigned bytes, one axis), already decompressed. Throws InputError. */
export function parseIdxLabels(bytes: Uint8Array, file: string): Uint8Array {
  return parseIdx(bytes, file, LABELS).body;
}

function parseIdx(bytes: Uint8Array, file: string, kind: Kind): { sizes: number[]; body: Uint8Array } {
  const { sizes, total } = readHeader(bytes, file, kind);
  if (BigInt(bytes.length) !== total) throw wrongLength(file, kind, sizes, total, `file has ${bytes.length}`);
  return { sizes, body: bytes.subarray(headerBytes(kind)) };
}

const headerBytes = (kind: Kind): number => 4 + 4 * kind.rank;

function readHeader(bytes: Uint8Array, file: string, kind: Kind): { sizes: number[]; total: bigint } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= 4 && view.getUint32(0) !== kind.magic)
    throw new InputError(
      `${file}: magic 0x${view.getUint32(0).toString(16)}, expected 0x${kind.magic.toString(16)} (IDX ${kind.items})`,
    );
  if (bytes.length < headerBytes(kind))
    throw new InputError(
      `${file}: an IDX header of ${headerBytes(kind)} bytes was expected, file has ${bytes.length}`,
    );
  const sizes = Array.from({ length: kind.rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  if (sizes.includes(0))
    throw new InputError(`${file}: header says ${sizes.join("×")} ${kind.items}, so the file is empty`);
  // Three 32-bit sizes multiply past what a double holds exactly.
  const total = sizes.reduce((product, size) => product * BigInt(size), 1n) + BigInt(headerBytes(kind));
  return { sizes, total };
}

function wrongLength(file: string, kind: Kind, sizes: number[], total: bigint, found: string): InputError {
  return new InputError(`${file}: header says ${sizes[0]} ${kind.items} (${total} bytes), ${found}`);
}

/**
 * A file's bytes, decompressed if they are gzip. Memory is bounded by the header and by the file: the header is
 * unpacked first, and nothing past the size that it states.
 */
async function decompress(bytes: Uint8Array, file: string, kind: Kind): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const damaged = (error: unknown): InputError =>
    new InputError(`${file}: cannot decompress: ${fileReason(error)}; the file is damaged or was cut off`, {
      cause: error,
    });
  let start: Uint8Array;
  try {
    // A prefix is enough for the header, and a sync flush returns what it gives without asking for the end.
    start = gunzipSync(bytes.subarray(0, 4096), { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    throw damaged(error);
  }
  const { sizes, total } = readHeader(start, file, kind);
  if (total > BigInt(bytes.length) * BigInt(DEFLATE_LIMIT))
    throw wrongLength(file, kind, sizes, total, `more than ${bytes.length} compressed bytes can hold`);
  try {
    const length = Math.min(Number(total), bufferConstants.MAX_LENGTH);
    const out = await promisify(gunzip)(bytes, { maxOutputLength: length });
    return new Uint8Array(out.buffer, out.byteOffset, out.byteLength);
  } catch (error) {
    if (errorCode(error) === "ERR_BUFFER_TOO_LARGE")
      throw wrongLength(file, kind, sizes, total, "the compressed file holds more; refused");
    throw damaged(error);
  }
}

/** Reads an IDX image file, gzipped or not (told by its bytes). Throws InputError. */
export async function readIdxImages(file: string): Promise<IdxImages> {
  return parseIdxImages(await decompress(await readInputFile(file), file, IMAGES), file);
}

/** Reads an IDX label file, gzipped or not (told by its bytes). Throws InputError. */
export async function readIdxLabels(file: string): Promise<Uint8Array> {
  return parseIdxLabels(await decompress(await readInputFile(file), file, LABELS), file);
}

const NAMES = ["train-images", "train-labels", "t10k-images", "t10k-labels"] as const;
type IdxName = (typeof NAMES)[number];

/** The names that a file of MNIST goes by, in the order in which they are tried. */
function spellings(name: IdxName): string[] {
  const suffix = name.endsWith("images") ? "idx3-ubyte" : "idx1-ubyte";
  return [`${name}-${suffix}`, `${name}.${suffix}`].flatMap((plain) => [plain, `${plain}.gz`]);
}

/** MNIST's files among the names of a folder. */
export function findIdxFiles(names: readonly string[]): Partial<Record<IdxName, string>> {
  const found: Partial<Record<IdxName, string>> = {};
  for (const name of NAMES) {
    const file = spellings(name).find((spelling) => names.includes(spelling));
    if (file !== undefined) found[name] = file;
  }
  return found;
}

/**
 * MNIST's four files, or those of a set in its format: train-images-idx3-ubyte, train-labels-idx1-ubyte, and the
 * same for t10k, gzipped or not, with "-" or "." before idx. Classes are named "0", "1", ….
 *
 * @param options.classes labels must be below it; default 10
 * @throws InputError for a missing file, different numbers of images and labels, or a label past the classes
 */
export async function readIdxFolder(
  folder: string,
  options: { classes?: number | undefined } = {},
): Promise<Dataset> {
  const classes = options.classes ?? 10;
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    throw new InputError(`cannot read ${folder}: ${fileReason(error)}`, { cause: error });
  }
  const found = findIdxFiles(names);
  const path = (name: IdxName): string => {
    const file = found[name];
    if (file === undefined)
      throw new InputError(
        `${folder}: ${spellings(name)[0]} is missing (looked for ${spellings(name).join(", ")})`,
      );
    return join(folder, file);
  };
  const paths = {
    train: [path("train-images"), path("train-labels")],
    test: [path("t10k-images"), path("t10k-labels")],
  };
  const read = async ([imageFile = "", labelFile = ""]: string[]): Promise<Split> => {
    const { count, height, width, images } = await readIdxImages(imageFile);
    const labels = await readIdxLabels(labelFile);
    if (labels.length !== count)
      throw new InputError(`${imageFile} has ${count} images, ${labelFile} has ${labels.length} labels`);
    checkLabels(labels, classes, labelFile);
    return memorySplit(images, labels, [height, width, 1]);
  };
  const train = await read(paths.train);
  const test = await read(paths.test);
  if (train.shape.join() !== test.shape.join())
    throw new InputError(
      `${folder}: training images are ${train.shape.join("×")}, test images ${test.shape.join("×")}`,
    );
  return {
    name: folder,
    classes: Array.from({ length: classes }, (_, label) => String(label)),
    shape: train.shape,
    train,
    test,
  };
}
