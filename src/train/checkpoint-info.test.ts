import { expect, test } from "vitest";
import { type CheckpointInfo, formatInfo, parseInfo } from "./checkpoint-info";

const info: CheckpointInfo = {
  model: "lenet5",
  options: { classes: 10 },
  classes: ["0", "1"],
  images: { source: [28, 28, 1], size: [32, 32], fit: "pad", mean: [0.1307], std: [0.3081] },
  data: "digits",
  settings: {
    seed: 1,
    batch: 64,
    epochs: 3,
    optimizer: "adam",
    lr: 0.001,
    momentum: 0.9,
    nesterov: false,
    weightDecay: 0,
    labelSmoothing: 0,
    schedule: "cosine",
    warmUpEpochs: 0,
    stepEpochs: 30,
    gamma: 0.1,
    valSplit: 0,
    freeze: ["c1", "c*.bias"],
    trainOnly: [],
    freezeStatistics: true,
    lrScale: [
      { name: "output", factor: 10 },
      { name: "c*", factor: 0.1 },
    ],
  },
  progress: {
    epoch: 1,
    position: 128,
    iteration: 24,
    lossSum: 0.1 + 0.2,
    lossCount: 2,
    best: { epoch: 1, accuracy: 0.9 },
  },
};

test("what is written is read again, sums to the last bit", () => {
  expect(parseInfo(formatInfo(info), "f")).toEqual(info);
  expect(
    parseInfo(formatInfo({ ...info, progress: { ...info.progress, best: null } }), "f").progress.best,
  ).toBeNull();
});

test("a checkpoint from before there were settings of transfer learning froze nothing", () => {
  const { freeze, trainOnly, freezeStatistics, lrScale, ...settings } = info.settings;
  const text = JSON.stringify({ ...JSON.parse(formatInfo(info)), settings });
  expect(parseInfo(text, "f").settings).toEqual({
    ...settings,
    freeze: [],
    trainOnly: [],
    freezeStatistics: false,
    lrScale: [],
  });
});

test("the text does not depend on the order in which facts were gathered", () => {
  const { progress, ...rest } = info;
  const shuffled = { progress: Object.fromEntries(Object.entries(progress).reverse()), ...rest };
  expect(formatInfo({ ...info, ...shuffled } as CheckpointInfo)).toBe(formatInfo(info));
});

test("a tuned run remembers its kernels", () => {
  const tuning = {
    adapter: "GPU | driver 1",
    choices: { "sum(x f32[9])": { kernel: "parts", sources: "0123456789abcdef" } },
  };
  expect(parseInfo(formatInfo({ ...info, tuning }), "f")).toEqual({ ...info, tuning });
  expect(formatInfo({ ...info, tuning: undefined })).toBe(formatInfo(info));
});

const withField = (path: string, value: unknown): string => {
  const root = JSON.parse(formatInfo(info));
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  keys.reduce((object, key) => object[key], root)[last] = value;
  return JSON.stringify(root);
};

test.each([
  ["tuning", 5, "F: metadata striate.tuning is 5, expected an object"],
  [
    "tuning",
    { adapter: "a", choices: { sum: { kernel: 1 } } },
    'F: metadata striate.tuning.choices is {"sum":{"kernel":1}}, expected kernels by shape',
  ],
  ["version", 2, "F: checkpoint format 2, this Striate reads up to 1; use a newer Striate"],
  ["version", "1", 'F: metadata striate.version is "1", expected a whole number'],
  ["model", undefined, "F: metadata striate.model is missing, expected a text"],
  ["settings", 3, "F: metadata striate.settings is 3, expected an object"],
  ["settings.batch", 0, "F: metadata striate.settings.batch is 0, expected a whole number of at least 1"],
  [
    "settings.optimizer",
    "lion",
    'F: metadata striate.settings.optimizer is "lion", expected one of sgd, adam, adamw',
  ],
  ["settings.freeze", "c1", 'F: metadata striate.settings.freeze is "c1", expected names'],
  [
    "settings.lrScale",
    [{ name: "c1", factor: -1 }],
    'F: metadata striate.settings.lrScale is [{"name":"c1","factor":-1}], expected names and factors',
  ],
  ["images.source", [28, 28], "F: metadata striate.images.source is [28,28], expected [H, W, C]"],
  [
    "progress.best",
    { epoch: 1, accuracy: 7 },
    "F: metadata striate.progress.best.accuracy is 7, expected a number from 0 to 1",
  ],
])("refuses %s = %j", (path, value, message) => {
  expect(() => parseInfo(withField(path, value), "F")).toThrow(message);
});

test("refuses what is no JSON", () => {
  expect(() => parseInfo("{", "F")).toThrow('F: the metadata "striate" is not JSON');
});
