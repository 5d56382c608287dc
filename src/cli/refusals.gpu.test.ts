import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { float32Tensor } from "../io/dtypes";
import { fileShape } from "../io/layout";
import { writeSafetensors } from "../io/safetensors-file";
import { lenet5 } from "../models/lenet5";
import { declareModel } from "../nn/model";
import { type CheckpointInfo, formatInfo, METADATA_KEY } from "../train/checkpoint-info";
import { defaultSettings } from "../train/settings";
import { striate } from "./striate-process";

const folder = await mkdtemp(join(tmpdir(), "striate-refusals-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (...names: string[]) => join(folder, ...names);

function idx(magic: number, sizes: readonly number[], body: number): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * sizes.length + body);
  const view = new DataView(bytes.buffer);
  for (const [k, word] of [magic, ...sizes].entries()) view.setUint32(4 * k, word);
  return bytes;
}

/** A folder of MNIST's four files, with one of them replaced. */
async function idxFolder(name: string, replaced: Readonly<Record<string, Uint8Array>> = {}) {
  await mkdir(at(name));
  const files = {
    "train-images-idx3-ubyte": idx(0x803, [20, 8, 8], 20 * 64),
    "train-labels-idx1-ubyte": idx(0x801, [20], 20),
    "t10k-images-idx3-ubyte": idx(0x803, [4, 8, 8], 4 * 64),
    "t10k-labels-idx1-ubyte": idx(0x801, [4], 4),
    ...replaced,
  };
  for (const [file, bytes] of Object.entries(files)) await writeFile(at(name, file), bytes);
}

const info: CheckpointInfo = {
  model: "lenet5",
  options: { classes: 10 },
  classes: Array.from({ length: 10 }, (_, k) => String(k)),
  images: { source: [8, 8, 1], size: [32, 32], fit: "resize", mean: [0], std: [1] },
  data: "digits",
  settings: defaultSettings,
  progress: { epoch: 1, position: 0, iteration: 22, lossSum: 0, lossCount: 0, best: null },
};

/** LeNet-5's parameters, all zero, as `train` would write them; `changed` replaces shapes, undefined leaves one out. */
async function checkpoint(
  name: string,
  changed: Readonly<Record<string, readonly number[] | undefined>> = {},
) {
  const variables = [...declareModel(lenet5(), 1).trace.variables.values()];
  const shapes = new Map<string, readonly number[] | undefined>(
    variables.map((v) => [v.name, fileShape(v.outputs.y.shape, v.layout)]),
  );
  for (const [key, shape] of Object.entries(changed)) shapes.set(key, shape);
  const tensors = [...shapes].flatMap(([key, shape]) =>
    shape === undefined
      ? []
      : [[key, float32Tensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))] as const],
  );
  await writeSafetensors(at(name), new Map(tensors), { [METADATA_KEY]: formatInfo(info) });
}

beforeAll(async () => {
  await idxFolder("good");
  await idxFolder("magic", { "train-images-idx3-ubyte": idx(0x801, [20, 8, 8], 20 * 64) });
  await idxFolder("short", { "t10k-images-idx3-ubyte": idx(0x803, [4, 8, 8], 3 * 64) });
  await idxFolder("counts", { "train-labels-idx1-ubyte": idx(0x801, [19], 19) });
  await idxFolder("labels", { "train-labels-idx1-ubyte": idx(0x801, [20], 20).fill(12, 27, 28) });
  await idxFolder("bomb", { "t10k-labels-idx1-ubyte": gzipSync(idx(0x801, [4], 4_000_000)) });
  await mkdir(at("empty-folder"));
  await mkdir(at("classes/train/a"), { recursive: true });
  await mkdir(at("classes/val/a"), { recursive: true });
  await writeFile(at("classes/train/a/1.png"), "no image at all");
  await writeFile(at("classes/val/a/1.png"), "no image at all");
  await writeFile(at("empty"), "");
  await writeFile(at("drawing.svg"), '<svg xmlns="http://www.w3.org/2000/svg"/>');
  await writeFile(at("text.jpg"), "no image at all");
  await writeFile(at("weights.pt"), Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 0, 0, 0));
  await writeFile(at("header.safetensors"), Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0, 123));
  await checkpoint("lenet5.safetensors");
  await checkpoint("other.safetensors", {
    "c1.weight": [6, 1, 3, 3],
    "f6.bias": undefined,
    "extra.weight": [2],
  });
  await writeSafetensors(at("plain.safetensors"), new Map([["w", float32Tensor([1], Float32Array.of(1))]]));
});

const train = (data: string, ...more: string[]) => [
  "train",
  ...(data === "digits" ? [data] : [at(data)]),
  ..."--model lenet5 --epochs 1 --batch-size 4 --out".split(" "),
  at("out"),
  ...more,
];
const evaluate = (file: string, ...more: string[]) => ["eval", ...more, "--checkpoint", at(file)];
const classify = (image: string) => ["classify", at(image), "--checkpoint", at("lenet5.safetensors")];

const cases: readonly [why: string, args: readonly string[], message: RegExp, code: number][] = [
  ["no such command", ["trian"], /^unknown command 'trian' \(Did you mean train\?\)$/, 2],
  ["no such model", ["summary", "lenet6"], /^there is no model "lenet6"; there are lenet5, /, 2],
  ["batch 0", train("good", "--batch-size", "0"), /--batch-size.*'0'.*whole number of at least 1/, 2],
  ["learning rate NaN", train("good", "--lr", "NaN"), /--lr.*'NaN'.*number above 0/, 2],
  ["a negative epoch", train("good", "--epochs", "-1"), /--epochs.*'-1'.*at least 1/, 2],
  [
    "an option of no model",
    ["summary", "lenet5", "--width", "2"],
    /^lenet5: there is no option width; it has /,
    1,
  ],
  [
    "an image smaller than the kernels",
    ["summary", "lenet5", "--img-size", "12"],
    /window|kernel.*\(layer /,
    1,
  ],
  ["no data", train("nowhere"), /^cannot open data set .*nowhere: no such file or folder/, 1],
  ["a file for data", train("empty"), /^cannot open data set .*empty: it is a file/, 1],
  ["an empty folder for data", train("empty-folder"), /^cannot open data set .*: found neither IDX files/, 1],
  ["IDX with a wrong magic", train("magic"), /train-images-idx3-ubyte: magic 0x801, expected 0x803/, 1],
  [
    "IDX cut short",
    train("short"),
    /t10k-images-idx3-ubyte: header says 4 images \(272 bytes\), file has 208/,
    1,
  ],
  ["counts that differ", train("counts"), /20 images.*19 labels|19 labels.*20 images/, 1],
  ["a label past the classes", train("labels"), /label 12 at index 19 is past the 10 classes/, 1],
  [
    "a compressed file that grows past its header",
    train("bomb"),
    /t10k-labels-idx1-ubyte: .*header says 4 labels/,
    1,
  ],
  [
    "a batch of more than all images",
    train("good", "--batch-size", "64"),
    /^batch size 64 is more than the 20/,
    1,
  ],
  [
    "an image that is none",
    train("classes", "--channels", "1", "--batch-size", "1", "--quiet"),
    /1\.png: /,
    1,
  ],
  [
    "a folder for checkpoints under a file",
    [...train("good"), "--out", at("empty", "x")],
    /^cannot write checkpoints to /,
    1,
  ],
  [
    "no checkpoint",
    evaluate("none.safetensors"),
    /^cannot read .*none\.safetensors: no such file or folder$/,
    1,
  ],
  ["an empty checkpoint", evaluate("empty"), /^cannot read .*empty: the file is empty$/, 1],
  ["a folder for a checkpoint", evaluate("good"), /^cannot read .*good: it is a directory$/, 1],
  ["a pickle", evaluate("weights.pt"), /weights\.pt: a pickle .* is refused.* convert it: python3 -c '/, 1],
  ["a header past the file", evaluate("header.safetensors"), /header\.safetensors: .*header/, 1],
  ["weights without a model", evaluate("plain.safetensors"), /does not say of which model/, 1],
  [
    "a checkpoint of another model",
    evaluate("other.safetensors"),
    /the weights are of another model; missing: f6\.bias; unexpected: extra\.weight; other shapes: c1\.weight \[6, 1, 3, 3\], the model wants \[6, 1, 5, 5\]$/,
    1,
  ],
  [
    "resuming from weights",
    ["train", "--resume", at("plain.safetensors")],
    /holds weights but no state of a training run/,
    1,
  ],
  [
    "resuming another model",
    train("digits", "--resume", at("lenet5.safetensors"), "--model", "alexnet"),
    /trains lenet5, not alexnet/,
    1,
  ],
  [
    "resuming with another seed",
    ["train", "--resume", at("lenet5.safetensors"), "--seed", "9"],
    /seed is 0 in this run and cannot become 9/,
    1,
  ],
  ["a drawing", classify("drawing.svg"), /drawing\.svg: .*SVG/i, 1],
  ["a text for an image", classify("text.jpg"), /text\.jpg: /, 1],
  ["no such image", classify("none.png"), /^cannot read .*none\.png: no such file or folder$/, 1],
  [
    "no such adapter",
    ["plan", "lenet5", "--device", "no such adapter"],
    /^no adapter matches "no such adapter"; by name or number there is .+ \(0\)/,
    3,
  ],
  [
    "a batch past the adapter's limits",
    ["plan", "lenet5", "--batch-size", "10000000"],
    /^input image \[10000000, 32, 32, 1\] needs 38\.1 GiB and a buffer of the adapter holds .*; batch 10000000 does not fit, batch \d+ would$/,
    1,
  ],
];

describe.concurrent("one line on stderr, nothing on stdout, a code that is not 0", () => {
  test.each(cases)("%s", async (_why, args, message, code) => {
    const ended = await striate(args);
    expect(ended.stderr).toHaveLength(1);
    const [line = ""] = ended.stderr;
    expect(line).toMatch(/^striate: /);
    expect(line.replace(/^striate: /, "")).toMatch(message);
    expect(ended.stdout).toBe("");
    expect(ended.code).toBe(code);
  });

  test("--json changes nothing of that, and --debug adds where", async () => {
    const [json, debug] = await Promise.all([
      striate([...evaluate("empty"), "--json"]),
      striate([...evaluate("empty"), "--debug"]),
    ]);
    expect(json).toMatchObject({ code: 1, stdout: "" });
    expect(json.stderr).toHaveLength(1);
    expect(debug.stderr[0]).toBe(json.stderr[0]);
    expect(debug.stderr.slice(1).join("\n")).toMatch(/InputError: .*\n\s+at /);
  });
});

test("nothing half-written is left by any of them", async () => {
  expect((await readdir(folder)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect(await readdir(at("out")).catch(() => [])).toEqual([]);
});
