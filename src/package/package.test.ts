import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  version: string;
  bin: { striate: string };
  exports: Record<string, string | Record<string, string>>;
  dependencies: Record<string, string>;
};

/** The files of the published package. */
const packed = (() => {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const run = spawnSync(npm, ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
    encoding: "utf8",
  });
  const [first] = JSON.parse(run.stdout) as { files: { path: string }[] }[];
  return (first?.files ?? []).map(({ path }) => path);
})();

test("the package holds the build and what belongs to it, and nothing else", () => {
  expect(packed).toEqual(expect.arrayContaining(["CHANGELOG.md", "LICENSE", "README.md", "package.json"]));
  const rest = packed.filter((path) => !/^(CHANGELOG\.md|LICENSE|README\.md|package\.json)$/.test(path));
  expect(rest.filter((path) => !/^dist\/[\w-]+\.(js|d\.ts)$/.test(path))).toEqual([]);
});

test("every export and the command are files of the package", () => {
  const targets = Object.values(manifest.exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  for (const target of [...targets, manifest.bin.striate])
    expect(packed).toContain(target.replace(/^\.\//, ""));
});

test("what the build imports is a dependency of the package", () => {
  const imported = new Set(
    packed
      .filter((path) => path.endsWith(".js"))
      .flatMap((path) => ts.preProcessFile(readFileSync(join(root, path), "utf8"), true, true).importedFiles)
      .map(({ fileName }) => fileName)
      .filter((name) => !name.startsWith(".") && !name.startsWith("node:"))
      .map((name) => name.split("/")[0] ?? ""),
  );
  expect(imported.size).toBeGreaterThan(3);
  expect([...imported].filter((name) => !(name in manifest.dependencies))).toEqual([]);
});

test("a program that uses the package compiles against its declarations alone", () => {
  const file = join(root, "consumer.mts");
  const text = `
    import { compile, lenet5, openDevice, type TrainingNetwork } from "striate";
    import { loadDigits, openTraining } from "striate/node";
    const device = await openDevice();
    const { logits } = await (await compile(lenet5(), { device, batch: 1 })).run({ image: new Float32Array(1024) });
    export const first: number | undefined = logits[0];
    export const shape: readonly number[] = (await loadDigits()).shape;
    export const lost: Promise<GPUDeviceLostInfo> = device.gpu.lost;
    export type Step = TrainingNetwork;
    // @ts-expect-error a batch is a number
    await compile(lenet5(), { device, batch: "4" });
    export { openTraining };`;
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2024.d.ts", "lib.esnext.disposable.d.ts"],
    types: ["node"],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.getSourceFile = (path, version, ...rest) =>
    path === file ? ts.createSourceFile(path, text, version, true) : getSourceFile(path, version, ...rest);
  const program = ts.createProgram([file], options, host);
  // @webgpu/types wants a page's own types, which is no mistake of this package.
  const messages = ts.getPreEmitDiagnostics(program).flatMap(({ file: where, messageText }) => {
    const name = where?.fileName.slice(root.length + 1) ?? "";
    const isOwn = !name.startsWith("node_modules/");
    return isOwn ? [`${name}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`] : [];
  });
  expect(messages).toEqual([]);
});

test("the changelog has the package's version and the unreleased changes in front", () => {
  const changelog = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  const releases = [...changelog.matchAll(/^## \[?([\w.-]+)\]?/gm)].map(([, name]) => name);
  expect(releases[0]).toBe("Unreleased");
  expect(releases[1]).toBe(manifest.version);
  expect(existsSync(join(root, "LICENSE"))).toBe(true);
});

test("npx striate runs the build", () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [join(root, manifest.bin.striate), ...args], { encoding: "utf8" });
  const help = run("--help");
  expect(help.status).toBe(0);
  expect(help.stdout).toMatch(/Commands:\n {2}devices/);
  expect(help.stderr).toBe("");
  expect(readFileSync(join(root, manifest.bin.striate), "utf8")).toMatch(/^#!\/usr\/bin\/env node\n/);
});
