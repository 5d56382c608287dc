import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = dirname(fileURLToPath(import.meta.url));

/** Runs an example as its reader would. It takes the system's adapter, which the tests' set-up has chosen. */
const run = (name: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(folder, name), ...args], { encoding: "utf8", timeout: 100_000 });

test("an op of one's own agrees with finite differences", () => {
  const { status, stdout, stderr } = run("own-op.mjs");
  expect(status, stderr).toBe(0);
  expect(Number(/from finite differences ([\d.]+)/.exec(stdout)?.[1])).toBeLessThan(1e-3);
  expect(stdout).toContain("l2Normalize: x has rank 0, expected at least 1");
});

test("a device of one's own takes part and stays", () => {
  const { status, stdout, stderr } = run("own-device.mjs");
  expect(status, stderr).toBe(0);
  expect(stdout).toMatch(
    /^probabilities of the first image:( 0\.\d{3}){10}\nthe first logit, .*: -?[\d.]+\n/,
  );
  expect(stdout).toMatch(/the device is still there\n$/);
});

test("an architecture of one's own learns, is saved and loaded", () => {
  const { status, stdout, stderr } = run("own-architecture.mjs", "2");
  expect(status, stderr).toBe(0);
  expect(stdout).toContain("tiny-resnet: 18 layers, 37770 parameters");
  expect(Number(/epoch 2: training accuracy ([\d.]+)%/.exec(stdout)?.[1])).toBeGreaterThan(80);
  expect(stdout).toContain("24 tensors loaded");
});

test("the page of examples names every one of them", () => {
  const page = readFileSync(join(folder, "README.md"), "utf8");
  const programs = readdirSync(folder).filter((name) => name.endsWith(".mjs"));
  expect(programs.length).toBeGreaterThanOrEqual(6);
  expect(programs.filter((name) => !page.includes(`](${name})`))).toEqual([]);
});
