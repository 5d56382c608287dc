import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Tuning } from "../passes/tuning";
import { type Adapter, adapterIdentity, readTuning, tuningFile, tuningFolder, writeTuning } from "./cache";
import { formatTuning } from "./format";

const adapter: Adapter = {
  name: "GPU of Maker",
  backend: "Vulkan",
  vendor: "maker",
  architecture: "first",
  description: "driver 1.0",
};
const choice = (kernel: string) => ({ kernel, sources: "0123456789abcdef" });
const tuning: Tuning = new Map([
  ["conv2d(x f32[1, 8, 8, 4])", choice("tiled64")],
  ["__proto__", choice("direct")],
]);

let folder: string;
let problems: string[];
const options = () => ({ folder, onProblem: (problem: string) => void problems.push(problem) });
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "striate-tune-"));
  problems = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("what is written is read again, by the same adapter and driver only", async () => {
  expect(await writeTuning(adapter, tuning, options())).toBe(tuningFile(adapter, folder));
  expect(new Map(await readTuning(adapter, options()))).toEqual(tuning);
  expect((await readTuning({ ...adapter, description: "driver 1.1" }, options())).size).toBe(0);
  expect(problems).toEqual([]);
});

test("new choices join those on disk and replace those of the same work", async () => {
  await writeTuning(adapter, tuning, options());
  await writeTuning(
    adapter,
    new Map([
      ["conv2d(x f32[1, 8, 8, 4])", choice("tiled32")],
      ["sum(x f32[9])", choice("parts")],
    ]),
    options(),
  );
  const read = await readTuning(adapter, options());
  expect([...read].map(([key, { kernel }]) => [key, kernel]).sort()).toEqual([
    ["__proto__", "direct"],
    ["conv2d(x f32[1, 8, 8, 4])", "tiled32"],
    ["sum(x f32[9])", "parts"],
  ]);
  expect(await readdir(folder)).toHaveLength(1);
});

test("equal tunings are equal bytes", () => {
  const reversed = new Map([...tuning].reverse());
  expect(formatTuning(reversed, "a")).toBe(formatTuning(tuning, "a"));
});

test.each([
  ["nothing", "", /the file is empty/],
  ["half a file", '{"format": "striate tuning 1", "adap', /it is not JSON/],
  ["bytes", "\u0000\u0001\u0002", /it is not JSON/],
  ["another program's file", '["a"]', /format is \["a"\], expected "striate tuning 1"/],
  ["a later version's", '{"format": "striate tuning 2"}', /format is "striate tuning 2", expected/],
  ["another adapter's", formatTuning(tuning, "other"), /adapter is "other", expected "GPU of Maker \|/],
  [
    "choices that are none",
    JSON.stringify({
      format: "striate tuning 1",
      adapter: adapterIdentity(adapter),
      choices: { a: { kernel: 5 } },
    }),
    /choices are .*, expected kernels by shape/,
  ],
])("%s in the file counts as no choices, in one line, and is replaced", async (_, text, problem) => {
  await writeFile(tuningFile(adapter, folder), text);
  expect((await readTuning(adapter, options())).size).toBe(0);
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(problem);
  expect(problems[0]).not.toContain("\n");
  await writeTuning(adapter, tuning, options());
  expect((await readTuning(adapter, options())).size).toBe(2);
  expect(problems).toHaveLength(1);
});

test("a folder that cannot be written costs one line and nothing else", async () => {
  const blocked = join(folder, "file");
  await writeFile(blocked, "");
  const there = { ...options(), folder: join(blocked, "tune") };
  expect(await writeTuning(adapter, tuning, there)).toBeUndefined();
  expect(problems).toHaveLength(1);
  expect(problems[0]).toMatch(/^cannot write .*; the measurements are used now and not kept$/);
});

test("the cache lies where the system keeps caches, or where the user says", async () => {
  expect(tuningFolder({ XDG_CACHE_HOME: "/c" }, "linux")).toBe(join("/c", "striate", "tune"));
  expect(tuningFolder({ STRIATE_TUNING: "/t", XDG_CACHE_HOME: "/c" }, "linux")).toBe("/t");
  expect(tuningFolder({ LOCALAPPDATA: "/l" }, "win32")).toBe(join("/l", "striate", "tune"));
  expect(tuningFolder({}, "darwin")).toMatch(/Library.Caches.striate.tune$/);
  expect(tuningFile(adapter, folder)).toMatch(/gpu-of-maker-[0-9a-f]{16}\.json$/);
});
