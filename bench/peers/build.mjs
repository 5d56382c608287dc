import { fileURLToPath } from "node:url";
import { build } from "tsup";

/** Bundles this checkout's Striate, with the benchmark's TypeScript, for the peers' process. */
export async function buildStriate() {
  const here = fileURLToPath(new URL(".", import.meta.url));
  await build({
    config: false,
    silent: true,
    entry: { striate: `${here}striate.ts`, rest: `${here}../../src/rest.ts` },
    outDir: `${here}.build`,
    outExtension: () => ({ js: ".mjs" }),
    format: "esm",
    target: "es2022",
    platform: "neutral",
    external: ["webgpu"],
    noExternal: ["wgsl-preprocessor"],
  });
}
