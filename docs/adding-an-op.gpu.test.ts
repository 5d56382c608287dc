import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { runSpecs } from "../kernels-test/run-specs";
import type { Spec } from "../kernels-test/spec";
import { applyDiff, codeBlocks } from "./code-blocks";
import { root, typeCheck } from "./type-check";

const blocks = codeBlocks(join(root, "docs/adding-an-op.md"));
const files = new Map(
  blocks.filter(({ language }) => language === "ts").map(({ title, text }) => [title, text]),
);
const registry = new Map(
  blocks
    .filter(({ language }) => language === "diff")
    .map(({ title, text }) => [title, applyDiff(readFileSync(join(root, title), "utf8"), text)]),
);

test("the page's op is three files of one name, a layer, and its lines in the registry", () => {
  expect([...files.keys()]).toEqual([
    "src/ops/channel-shuffle.ts",
    "shaders/channel-shuffle.ts",
    "kernels-test/channel-shuffle.spec.ts",
    "src/nn/channel-shuffle.ts",
  ]);
  expect([...registry.keys()]).toEqual(["src/ops/index.ts", "kernels-test/specs.ts"]);
});

test("it compiles with its lines in the registry, and not without its spec", () => {
  expect(typeCheck(Object.fromEntries([...files, ...registry]))).toEqual([]);
  const specs = "kernels-test/specs.ts";
  const forgotten = {
    ...Object.fromEntries([...files, ...registry]),
    [specs]: readFileSync(join(root, specs), "utf8"),
  };
  expect(typeCheck(forgotten).join("\n")).toMatch(
    /^kernels-test\/specs\.ts:\d+ Property 'channelShuffle' is missing/,
  );
});

// The page's files in a folder of their own; what they import from the repository comes from there.
const folder = mkdtempSync(join(tmpdir(), "striate-op-"));
afterAll(() => rmSync(folder, { recursive: true }));
for (const [path, text] of files) {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  const moved = text.replaceAll(/ from "(\.[^"]+)"/g, (_, from: string) => {
    const target = join(dirname(path), from);
    return ` from "${join(files.has(`${target}.ts`) ? folder : root, target)}"`;
  });
  writeFileSync(file, moved);
}
const { channelShuffleSpec } = (await import(
  /* @vite-ignore */ join(folder, "kernels-test/channel-shuffle.spec.ts")
)) as { channelShuffleSpec: Spec };

describe("its spec", () => runSpecs({ channelShuffle: channelShuffleSpec }));
