import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../io/errors";
import { parseIdxImages, parseIdxLabels, readIdxFolder, readIdxImages, readIdxLabels } from "./idx";

function idx(magic: number, sizes: number[], body: ArrayLike<number>): Uint8Array {
  const out = new Uint8Array(4 + 4 * sizes.length + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, magic);
  sizes.forEach((size, axis) => {
    view.setUint32(4 + 4 * axis, size);
  });
  out.set(body, 4 + 4 * sizes.length);
  return out;
}
const images = (count: number, H = 2, W = 3): Uint8Array =>
  idx(
    0x803,
    [count, H, W],
    Uint8Array.from({ length: count * H * W }, (_, i) => i),
  );
const labels = (values: number[]): Uint8Array => idx(0x801, [values.length], values);

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("parse", () => {
  it("reads images and labels as views of the file", () => {
    const bytes = images(2);
    const found = parseIdxImages(bytes, "f");
    expect(found).toMatchObject({ count: 2, height: 2, width: 3 });
    expect([...found.images]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(found.images.buffer).toBe(bytes.buffer);
    expect([...parseIdxLabels(labels([7, 0, 9]), "f")]).toEqual([7, 0, 9]);
  });

  it.each([
    ["labels for images", labels([1]), "f: magic 0x801, expected 0x803 (IDX images)"],
    ["another type of element", idx(0xd03, [1, 1, 1], [0]), "f: magic 0xd03, expected 0x803 (IDX images)"],
    [
      "not IDX",
      Uint8Array.from([0xff, 0xd8, 0xff, 0xe0]),
      "f: magic 0xffd8ffe0, expected 0x803 (IDX images)",
    ],
    ["half a header", images(1).subarray(0, 15), "f: an IDX header of 16 bytes was expected, file has 15"],
    ["two bytes", new Uint8Array(2), "f: an IDX header of 16 bytes was expected, file has 2"],
    ["cut off", images(3).subarray(0, 30), "f: header says 3 images (34 bytes), file has 30"],
    ["too long", Uint8Array.from([...images(1), 0]), "f: header says 1 images (22 bytes), file has 23"],
    ["no images", idx(0x803, [0, 28, 28], []), "f: header says 0×28×28 images, so the file is empty"],
    [
      "sizes whose product no double holds",
      idx(0x803, [0xffffffff, 0xffffffff, 0xffffffff], [1]),
      "f: header says 4294967295 images (79228162458924105385300197391 bytes), file has 17",
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(messageOf(() => parseIdxImages(bytes, "f"))).toBe(message);
  });

  it("refuses images for labels", () => {
    expect(messageOf(() => parseIdxLabels(images(1), "f"))).toBe(
      "f: magic 0x803, expected 0x801 (IDX labels)",
    );
  });

  it("property: any bytes are accepted as views of themselves, or refused in one line", () => {
    const header = fc.tuple(fc.constantFrom(0x803, 0x801, 0x802), fc.array(fc.nat(4), { maxLength: 4 }));
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc
        .tuple(header, fc.uint8Array({ maxLength: 64 }))
        .map(([[magic, sizes], body]) => idx(magic, sizes, body)),
    );
    fc.assert(
      fc.property(bytes, (file) => {
        const message = messageOf(() => {
          const found = parseIdxImages(file, "f");
          expect(found.images.buffer).toBe(file.buffer);
          expect(found.images.length).toBe(found.count * found.height * found.width);
        });
        expect(message).not.toMatch(/\n/);
        messageOf(() => expect(parseIdxLabels(file, "f").buffer).toBe(file.buffer));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("files", () => {
  let root = "";
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "striate-idx-"));
  });
  afterAll(async () => {
    await rm(root, { recursive: true });
  });

  async function put(name: string, bytes: Uint8Array): Promise<string> {
    const file = join(root, name);
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

  it("gzip is told by its bytes, not by the name", async () => {
    const packed = await put("packed", gzipSync(images(2)));
    const plain = await put("plain.gz", images(2));
    expect(await readIdxImages(packed)).toEqual(await readIdxImages(plain));
    expect([...(await readIdxLabels(await put("l", gzipSync(labels([1, 2])))))]).toEqual([1, 2]);
  });

  it("a compressed file that holds more than its header says is not unpacked past that", async () => {
    // 64 MB of zeros in 64 kB; the header admits 22 bytes.
    const bomb = await put("bomb.gz", gzipSync(Uint8Array.from([...images(1), 0]), { level: 9 }));
    const large = new Uint8Array(64 << 20);
    large.set(images(1));
    const larger = await put("larger.gz", gzipSync(large));
    for (const file of [bomb, larger])
      expect(await refusal(readIdxImages(file))).toBe(
        `${file}: header says 1 images (22 bytes), the compressed file holds more; refused`,
      );
  });

  it("a header that says more than the compressed bytes can hold is refused before unpacking", async () => {
    const packed = gzipSync(idx(0x803, [60_000, 28, 28], [1, 2, 3]));
    const file = await put("claims.gz", packed);
    expect(await refusal(readIdxImages(file))).toBe(
      `${file}: header says 60000 images (47040016 bytes), more than ${packed.length} compressed bytes can hold`,
    );
  });

  it("a compressed file that holds less than its header says", async () => {
    const file = await put("less.gz", gzipSync(images(3).subarray(0, 20)));
    expect(await refusal(readIdxImages(file))).toBe(`${file}: header says 3 images (34 bytes), file has 20`);
  });

  it("a damaged or cut-off compressed file", async () => {
    const packed = gzipSync(images(20));
    const cut = await put("cut.gz", packed.subarray(0, packed.length - 9));
    expect(await refusal(readIdxImages(cut))).toBe(
      `${cut}: cannot decompress: unexpected end of file; the file is damaged or was cut off`,
    );
    packed[packed.length - 5] = (packed[packed.length - 5] ?? 0) ^ 1; // in the checksum
    const damaged = await put("damaged.gz", packed);
    expect(await refusal(readIdxImages(damaged))).toBe(
      `${damaged}: cannot decompress: incorrect data check; the file is damaged or was cut off`,
    );
  });

  it("property: damaged compressed files are refused in one line, or read", async () => {
    const packed = [...gzipSync(images(9))];
    const file = join(root, "mutant.gz");
    await fc.assert(
      fc.asyncProperty(
        fc.nat(packed.length - 1),
        fc.nat(255),
        fc.nat(packed.length),
        async (at, byte, cut) => {
          const bytes = Uint8Array.from(packed);
          bytes[at] = byte;
          await writeFile(file, bytes.subarray(0, Math.max(cut, 3)));
          expect(await refusal(readIdxImages(file))).not.toMatch(/\n/);
        },
      ),
    );
  });

  describe("readIdxFolder", () => {
    async function folder(name: string, files: Record<string, Uint8Array>): Promise<string> {
      const path = await mkdtemp(join(root, `${name}-`));
      for (const [file, bytes] of Object.entries(files)) await writeFile(join(path, file), bytes);
      return path;
    }
    const four = {
      "train-images-idx3-ubyte": images(3),
      "train-labels-idx1-ubyte": labels([0, 9, 4]),
      "t10k-images-idx3-ubyte": images(2),
      "t10k-labels-idx1-ubyte": labels([1, 2]),
    };

    it("reads the four files under each of their spellings", async () => {
      const plain = await readIdxFolder(await folder("plain", four));
      expect(plain.classes).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
      expect(plain.shape).toEqual([2, 3, 1]);
      expect([plain.train.count, plain.test.count]).toEqual([3, 2]);
      expect([...plain.train.labels]).toEqual([0, 9, 4]);
      expect(await plain.train.read(1)).toEqual(Uint8Array.of(6, 7, 8, 9, 10, 11));

      const dotted = Object.fromEntries(
        Object.entries(four).map(([name, bytes], i) => [
          name.replace("-idx", i % 2 ? ".idx" : "-idx") + (i > 1 ? ".gz" : ""),
          i > 1 ? gzipSync(bytes) : bytes,
        ]),
      );
      const other = await readIdxFolder(await folder("dotted", dotted));
      expect([...other.test.labels]).toEqual([1, 2]);
    });

    it("names a missing file and how it may be spelled", async () => {
      const { "train-labels-idx1-ubyte": _, ...three } = four;
      const path = await folder("three", three);
      expect(await refusal(readIdxFolder(path))).toBe(
        `${path}: train-labels-idx1-ubyte is missing (looked for train-labels-idx1-ubyte, ` +
          "train-labels-idx1-ubyte.gz, train-labels.idx1-ubyte, train-labels.idx1-ubyte.gz)",
      );
    });

    it("states both counts where images and labels differ", async () => {
      const path = await folder("counts", { ...four, "t10k-labels-idx1-ubyte": labels([1, 2, 3]) });
      expect(await refusal(readIdxFolder(path))).toBe(
        `${path}/t10k-images-idx3-ubyte has 2 images, ${path}/t10k-labels-idx1-ubyte has 3 labels`,
      );
    });

    it("states index and value of a label past the classes", async () => {
      const path = await folder("labels", { ...four, "train-labels-idx1-ubyte": labels([0, 3, 10]) });
      expect(await refusal(readIdxFolder(path))).toBe(
        `${path}/train-labels-idx1-ubyte: label 10 at index 2 is past the 10 classes (0 to 9)`,
      );
      expect((await readIdxFolder(path, { classes: 11 })).classes.length).toBe(11);
    });

    it("states both sizes where training and test images differ", async () => {
      const path = await folder("sizes", { ...four, "t10k-images-idx3-ubyte": images(2, 3, 2) });
      expect(await refusal(readIdxFolder(path))).toBe(
        `${path}: training images are 2×3×1, test images 3×2×1`,
      );
    });

    it("says why a folder or a file cannot be read", async () => {
      expect(await refusal(readIdxFolder(join(root, "none")))).toBe(
        `cannot read ${root}/none: no such file or folder`,
      );
      const path = await folder("empty", { ...four, "t10k-labels-idx1-ubyte": new Uint8Array() });
      expect(await refusal(readIdxFolder(path))).toBe(
        `cannot read ${path}/t10k-labels-idx1-ubyte: the file is empty`,
      );
    });
  });
});
