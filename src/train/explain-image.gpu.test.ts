import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { decodeImage } from "../data/decode-image";
import { encodePng } from "../data/encode-png";
import { type Device, openDevice } from "../device";
import { compileGradCam } from "../explain/grad-cam";
import { resizeHeatMap } from "../explain/heat-map";
import { overlayHeatMap } from "../explain/overlay";
import { lenet5 } from "../models/lenet5";
import { compile } from "../nn/compile";
import { explainImage } from "./explain-image";
import { defaultSettings } from "./settings";

let device: Device;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-"));
  device = await openDevice({ adapter: process.env.STRIATE_DEVICE });
});
afterAll(async () => {
  device?.close();
  await rm(folder, { recursive: true });
});

test("the map lies over the part of the input that the image fills", async () => {
  const file = join(folder, "seven.png");
  const pixels = Uint8Array.from({ length: 28 * 28 }, (_, k) => (7 * k) % 256);
  await writeFile(file, await encodePng(pixels, [28, 28, 1]));
  expect(Buffer.compare(await decodeImage(file, [28, 28, 1]), pixels)).toBe(0);

  using network = await compile(lenet5(), { device, batch: 1, seed: 4 });
  using maps = await compileGradCam(lenet5(), { device, state: network.state });
  const images = { source: [28, 28, 1], size: [32, 32], fit: "pad", mean: [0.5], std: [0.5] } as const;
  const info = {
    model: "lenet5",
    options: {},
    classes: ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    images,
    data: "none",
    settings: defaultSettings,
    progress: { epoch: 0, position: 0, iteration: 0, lossSum: 0, lossCount: 0, best: null },
  };
  const found = await explainImage(maps, info, file, 3);
  expect([found.class, found.label, found.map.height, found.map.width]).toEqual([3, "three", 10, 10]);
  const probable = await explainImage(maps, info, file);
  expect(probable.probability).toBeGreaterThanOrEqual(found.probability);

  // 28 pixels become 224, eight times as many; of the padded 32, two on each side are not shown.
  const picture = join(folder, "map.png");
  await writeFile(picture, found.png);
  const whole = resizeHeatMap(found.map, [256, 256]);
  const values = new Float32Array(224 * 224).map(
    (_, k) => whole.values[(16 + Math.floor(k / 224)) * 256 + 16 + (k % 224)] ?? 0,
  );
  const enlarged = await decodeImage(file, [224, 224, 3]);
  const expected = overlayHeatMap(enlarged, { height: 224, width: 224, values });
  expect(Buffer.compare(await decodeImage(picture, [224, 224, 3]), expected)).toBe(0);
});
