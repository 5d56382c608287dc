import { Command } from "commander";
import { afterEach, expect, test, vi } from "vitest";
import { modelNamed, models } from "../models";
import { describe } from "../nn/describe";
import { addGlobals } from "./globals";
import { addSummary } from "./summary";

afterEach(() => vi.restoreAllMocks());

/** What `striate summary …` writes to stdout. */
async function summary(...args: readonly string[]): Promise<string> {
  let written = "";
  vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
    written += String(chunk);
    return true;
  });
  const program = new Command("striate").exitOverride();
  addGlobals(program);
  addSummary(program);
  await program.parseAsync(["node", "striate", "summary", ...args]);
  vi.restoreAllMocks();
  return written;
}

test.each([
  ["lenet5", 61_706],
  ["mnist-cnn", 3_199_106],
  ["alexnet", 60_965_224],
  ["alexnet-owt", 61_100_840],
  ["zfnet", 62_357_608],
  ["vgg11", 132_863_336],
  ["vgg11-bn", 132_868_840],
  ["vgg13", 133_047_848],
  ["vgg13-bn", 133_053_736],
  ["vgg16", 138_357_544],
  ["vgg16-bn", 138_365_992],
  ["vgg19", 143_667_240],
  ["vgg19-bn", 143_678_248],
  ["googlenet", 13_004_888],
  ["googlenet --no-auxiliaries", 6_624_904],
  ["inception-v3", 27_161_264],
  ["inception-v3 --no-auxiliaries", 23_834_568],
  ["resnet18", 11_689_512],
  ["resnet34", 21_797_672],
  ["resnet50", 25_557_032],
  ["resnet101", 44_549_160],
  ["resnet152", 60_192_808],
  ["mobilenet-v1", 4_231_976],
] as const)("summary %s --json tells %d parameters", async (line, parameters) => {
  const [name = "", ...flags] = line.split(" ");
  const lines = (await summary(name, ...flags, "--json")).trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  const told = JSON.parse(lines[0] ?? "");
  const { macs, layers } = describe(modelNamed(name, flags.length > 0 ? { auxiliaries: false } : {}));
  expect(told).toMatchObject({ model: name, parameters, macs });
  expect(told.layers).toHaveLength(layers.length);
  expect(told.memory.inference.total).toBeGreaterThan(4 * told.parametersWithoutAuxiliaries);
});

test("every model is among them", () => {
  expect(Object.keys(models)).toHaveLength(21);
});

test("the width, the resolution and the classes are options", async () => {
  const told = JSON.parse(await summary("mobilenet-v1", "--width", "0.25", "--img-size", "128", "--json"));
  expect(told).toMatchObject({ input: [128, 128, 3], parameters: 470_072 });
  const vgg = JSON.parse(await summary("vgg16", "--hidden", "256", "--classes", "10", "--json"));
  expect(vgg.parameters).toBe(14_714_688 + (25_088 + 1) * 256 + 257 * 256 + 257 * 10);
});

test("parameters with and without auxiliary classifiers are told, and training that one image cannot do", async () => {
  const text = await summary("inception-v3");
  expect(text).toContain("27,161,264 parameters (23,834,568 without auxiliary classifiers)");
  expect(text).toContain("no training (batchNorm: a channel has 1 value");
  const { memory } = JSON.parse(await summary("inception-v3", "--batch-size", "2", "--json"));
  expect(memory.training.parameters).toBeGreaterThan(4 * 27_161_264);
});

test("an option that a model does not have is refused", async () => {
  await expect(summary("resnet50", "--no-auxiliaries")).rejects.toThrow(
    "resnet50: there is no option auxiliaries",
  );
});
