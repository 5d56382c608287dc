import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { encodePng } from "../data/encode-png";
import { command, type Ended, objects, striate } from "./striate-process";

const folder = await mkdtemp(join(tmpdir(), "striate-train-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (...names: string[]) => join(folder, ...names);
const bytes = (...names: string[]) => readFile(at(...names));

/** MNIST's four files in small: a bright stripe whose row tells the class, over noise. */
beforeAll(async () => {
  const count = { train: 72, t10k: 24 };
  await mkdir(at("data"));
  for (const [name, n] of Object.entries(count)) {
    const images = new Uint8Array(16 + n * 64);
    const labels = new Uint8Array(8 + n);
    for (const [file, words] of [
      [images, [0x803, n, 8, 8]],
      [labels, [0x801, n]],
    ] as const)
      for (const [k, word] of words.entries()) new DataView(file.buffer).setUint32(4 * k, word);
    for (let i = 0; i < n; i++) {
      const label = (i * 7 + 3) % 4;
      labels[8 + i] = label;
      for (let k = 0; k < 64; k++)
        images[16 + i * 64 + k] =
          Math.floor(k / 16) === label ? 200 + ((i * 31 + k) % 50) : (i * 17 + k * 13) % 90;
    }
    await writeFile(at("data", `${name}-images-idx3-ubyte`), images);
    await writeFile(at("data", `${name}-labels-idx1-ubyte`), labels);
  }
});

const run = (out: string, ...more: string[]) => [
  "train",
  at("data"),
  ..."--model lenet5 --epochs 3 --batch-size 12 --seed 1 --json --log-every 1 --out".split(" "),
  at(out),
  ...more,
];

let first: Ended;
beforeAll(async () => {
  first = await striate(run("first"));
});

test("training tells a line of JSON for each event and nothing else, and leaves its checkpoints", async () => {
  expect(first.code, first.stderr.join("\n")).toBe(0);
  const events = objects(first.stdout);
  const kinds = events.map(({ event }) => event);
  expect(kinds[0]).toBe("start");
  expect(events.filter(({ event }) => event === "step").map(({ iteration }) => iteration)).toEqual(
    Array.from({ length: 18 }, (_, k) => k + 1),
  );
  expect(kinds.filter((kind) => kind === "epoch")).toHaveLength(3);
  expect(events.at(-1)).toMatchObject({
    event: "result",
    model: "lenet5",
    images: 24,
    epochs: 3,
    iteration: 18,
    checkpoint: at("first", "last.safetensors"),
  });
  expect(await readdir(at("first"))).toEqual(["best.safetensors", "last.safetensors"]);
});

test("the checkpoint gives the same accuracy and loss again, and classifies an image", async () => {
  const checkpoint = ["--checkpoint", at("first", "last.safetensors"), "--json"];
  const result = objects(first.stdout).at(-1);
  const evaluated = await striate(["eval", ...checkpoint, "--confusion"]);
  expect(evaluated.code).toBe(0);
  const [again, ...more] = objects(evaluated.stdout);
  expect(more).toEqual([]);
  expect([again?.accuracy, again?.loss, again?.images]).toEqual([result?.accuracy, result?.loss, 24]);
  await writeFile(at("a.png"), await encodePng(new Uint8Array(64).fill(128), [8, 8, 1]));
  const classified = await striate(["classify", at("a.png"), ...checkpoint, "--top-k", "2"]);
  expect(classified.code).toBe(0);
  const [answer] = objects(classified.stdout) as [{ file: string; predictions: { probability: number }[] }];
  expect(answer.file).toBe(at("a.png"));
  expect(answer.predictions).toHaveLength(2);
  expect(answer.predictions[0]?.probability).toBeGreaterThanOrEqual(answer.predictions[1]?.probability ?? 1);
});

test("the same command with the same seed leaves the same bytes", async () => {
  const second = await striate(run("second"));
  expect(second.code).toBe(0);
  // The folder's name is not in the file, the data set's is.
  expect((await bytes("second", "last.safetensors")).equals(await bytes("first", "last.safetensors"))).toBe(
    true,
  );
  expect((await bytes("second", "best.safetensors")).equals(await bytes("first", "best.safetensors"))).toBe(
    true,
  );
});

test("Ctrl-C saves and ends with 130; what is resumed leaves the bytes of a run without it", async () => {
  const stopped = await striate(run("stopped"), {
    onLine: (line, signal) => {
      if (line.includes('"event":"step"') && JSON.parse(line).iteration === 3) signal("SIGINT");
    },
  });
  expect(stopped.code).toBe(130);
  expect(await readdir(at("stopped"))).toContain("last.safetensors");
  const event = objects(stopped.stdout).at(-1);
  expect(event).toMatchObject({ event: "interrupted", file: at("stopped", "last.safetensors") });
  expect(event?.iteration).toBeLessThan(18);
  expect(stopped.stderr.at(-1)).toMatch(/^stopped after step \d+; go on with: striate train --resume /);

  const resumed = await striate([
    "train",
    "--resume",
    at("stopped", "last.safetensors"),
    "--quiet",
    "--json",
  ]);
  expect(resumed).toMatchObject({ code: 0, stderr: [] });
  expect(objects(resumed.stdout)[0]).toMatchObject({ event: "start", iteration: event?.iteration });
  expect((await bytes("stopped", "last.safetensors")).equals(await bytes("first", "last.safetensors"))).toBe(
    true,
  );
  expect((await bytes("stopped", "best.safetensors")).equals(await bytes("first", "best.safetensors"))).toBe(
    true,
  );
});

test("a loss that is no number ends the run at once, names step and tensor, and leaves the last good checkpoint", async () => {
  await mkdir(at("diverged"));
  await copyFile(at("first", "last.safetensors"), at("diverged", "last.safetensors"));
  const good = await bytes("diverged", "last.safetensors");
  const { code, stdout, stderr } = await striate([
    "train",
    "--resume",
    at("diverged", "last.safetensors"),
    ..."--epochs 5 --lr 1e38 --schedule constant --json --quiet".split(" "),
  ]);
  expect(code).toBe(1);
  expect(stderr).toHaveLength(1);
  const told =
    /^striate: the loss is (?:NaN|Infinity|-Infinity) at step (\d+) \(epoch 4\), first bad tensor (\S+) \((\d+) of \d+ values not finite\); the last good checkpoint is (.*); use a lower learning rate than 1e\+38$/.exec(
      stderr[0] ?? "",
    );
  expect(told, stderr[0]).not.toBeNull();
  expect(told?.[2]).toMatch(/^(c1|c3|c5|f6|output)\.(weight|bias)$/);
  expect(Number(told?.[3])).toBeGreaterThan(0);
  expect(told?.[4]).toBe(at("diverged", "last.safetensors"));
  expect(objects(stdout).map(({ event }) => event)).not.toContain("result");
  expect((await bytes("diverged", "last.safetensors")).equals(good)).toBe(true);
  expect(await readdir(at("diverged"))).toEqual(["last.safetensors"]);
});

test("a checkpoint that cannot be written ends the run with one line; the one before stays whole, and no temporary file", async () => {
  await mkdir(at("refused", "best.safetensors"), { recursive: true });
  await copyFile(at("first", "last.safetensors"), at("refused", "last.safetensors"));
  const { code, stderr } = await striate(run("refused", "--epochs", "1", "--quiet"));
  expect(code).toBe(1);
  expect(stderr).toEqual([`striate: cannot write ${at("refused", "best.safetensors")}: it is a directory`]);
  expect((await bytes("refused", "last.safetensors")).equals(await bytes("first", "last.safetensors"))).toBe(
    true,
  );
  expect(await readdir(at("refused"))).toEqual(["best.safetensors", "last.safetensors"]);
});

test.runIf(process.platform !== "win32")("a reader that goes away is no failure", async () => {
  const head = await striate([], {
    through: [
      "sh",
      "-c",
      `"$1" "$2" summary vgg16 | head -n 1; "$1" "$2" plan lenet5 --train --json | head -c 10`,
      "sh",
    ],
  });
  expect(head.code).toBe(0);
  expect(head.stderr).toEqual([]);
  expect(head.stdout).toMatch(/^layer .*\n\{"model":"$/);
  expect(command).toMatch(/cli\.js$/);
});

test("every command that only tells ends by itself, with --json one object a line", async () => {
  const [devices, summary, plan] = await Promise.all([
    striate(["devices", "--json"]),
    striate(["summary", "mnist-cnn", "--json"]),
    striate(["plan", "lenet5", "--train", "--batch-size", "4", "--json"]),
  ]);
  for (const { code, stderr } of [devices, summary, plan])
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] });
  expect(objects(devices.stdout)[0]).toMatchObject({
    index: 0,
    limits: { maxBufferSize: expect.any(Number) },
  });
  expect(objects(summary.stdout)).toMatchObject([{ model: "mnist-cnn", parameters: 3_199_106 }]);
  expect(objects(plan.stdout)).toMatchObject([{ model: "lenet5", train: true, batch: 4 }]);
});
