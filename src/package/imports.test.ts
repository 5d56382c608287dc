import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "tsup";
import ts from "typescript";
import { afterAll, expect, test } from "vitest";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const folder = mkdtempSync(join(tmpdir(), "striate-imports-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** What esbuild tells of a bundle: the modules in it by path, with the imports that are left at run time. */
interface Metafile {
  readonly inputs: Readonly<
    Record<string, { readonly imports: readonly { readonly path: string; readonly external?: boolean }[] }>
  >;
}

async function bundle(name: string, entry: readonly string[], platform: "browser" | "neutral") {
  const outDir = join(folder, name);
  await build({
    entry: entry.map((file) => join(root, file)),
    outDir,
    platform,
    format: "esm",
    target: "es2022",
    config: false,
    silent: true,
    dts: false,
    metafile: true,
    splitting: platform === "neutral",
    ...(platform === "browser"
      ? { noExternal: [/.*/] }
      : { external: [/^node:/], noExternal: ["wgsl-preprocessor"] }),
  });
  const metafile = JSON.parse(readFileSync(join(outDir, "metafile-esm.json"), "utf8")) as Metafile;
  return { outDir, metafile };
}

test.each([
  ["the sources", "src/index.ts"],
  ["the package", "dist/index.js"],
])("index bundles for a browser from %s, with nothing of Node's and without Dawn", async (name, entry) => {
  // esbuild itself refuses a Node built-in on this platform.
  const { outDir, metafile } = await bundle(`browser ${name}`, [entry], "browser");
  const text = readFileSync(join(outDir, "index.js"), "utf8");
  expect(text).not.toMatch(/["'`]node:|\brequire\(/);
  const packages = Object.keys(metafile.inputs).filter((path) => path.includes("node_modules/"));
  expect(packages.filter((path) => !path.includes("/wgsl-preprocessor/"))).toEqual([]);
  expect(text.length).toBeGreaterThan(50_000);
});

test("no module imports itself by way of others", async () => {
  const { metafile } = await bundle("modules", ["src/index.ts", "src/node.ts", "src/cli/main.ts"], "neutral");
  const modules = Object.keys(metafile.inputs).filter((path) => /^(src|shaders)\//.test(path));
  expect(modules.length).toBeGreaterThan(100);
  const importsOf = (path: string) =>
    (metafile.inputs[path]?.imports ?? []).filter(({ external }) => external !== true).map((i) => i.path);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (done.has(path) || trail.includes(path)) return;
    for (const next of importsOf(path)) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of modules) visit(path, []);
  expect(cycles).toEqual([]);
});

/** Each may import what stands behind it, never what stands before it; types count. */
const order = ["cli", "train", "explain", "data", "models", "nn", "ops"];
/** The engine itself, which knows ops but no layers, models or files. */
const engine = ["passes", "shaders", "ops", "io", ""];

test("imports go one way: cli -> train, data -> models -> nn -> ops -> op", () => {
  const files = ["src", "shaders"].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts") && !/\.(test|d)\.ts$/.test(name))
      .map((name) => join(top, name)),
  );
  // The folder under src; "" for the engine's own files there.
  const folderOf = (file: string) =>
    file.startsWith("shaders/") ? "shaders" : (/^src\/([^/]+)\//.exec(file)?.[1] ?? "");
  const wrong: string[] = [];
  let edges = 0;
  for (const file of files) {
    if (file === "src/index.ts" || file === "src/node.ts") continue; // the doors to everything
    const from = folderOf(file);
    const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), "utf8"));
    for (const { fileName } of importedFiles.filter((imported) => imported.fileName.startsWith("."))) {
      const target = join(dirname(file), fileName);
      const to = folderOf(`${target}.ts`) || folderOf(`${target}/`);
      edges++;
      const isAgainst = order.includes(from) && order.includes(to) && order.indexOf(to) < order.indexOf(from);
      const isAbove = engine.includes(from) && order.includes(to) && to !== "ops";
      const isDoor = /^src\/(index|node)$/.test(target);
      if (isAgainst || isAbove || isDoor || (to === "cli" && from !== "cli"))
        wrong.push(`${file} -> ${target}`);
    }
  }
  expect(edges).toBeGreaterThan(300);
  expect(wrong).toEqual([]);
  const declared = ["src/op.ts", "src/tensor.ts", "src/kernel.ts", "src/signature.ts"].flatMap((file) =>
    ts.preProcessFile(readFileSync(join(root, file), "utf8")).importedFiles.map(({ fileName }) => fileName),
  );
  expect([...new Set(declared)].sort()).toEqual(["./kernel", "./op", "./signature", "./tensor"]);
});
