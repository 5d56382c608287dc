import { defineConfig } from "vitest/config";

/** Tests of what is built: the package, and programs that run as a user's would. They bring the build up to date first. */
const built = ["src/cli/**", "src/package/**", "examples/**"];
const all = "{src,kernels-test,docs,examples,scripts}/**/*.test.ts";
const gpu = "**/*.gpu.test.ts";
const fresh = "scripts/fresh-build.mjs";
/**
 * On the second adapter every network is held to PyTorch's figures, at 64 to 128 pixels. It does not learn by heart as well, nor
 * run at 299 pixels: those are the same kernels for many times as long. Names of published weights know no adapter.
 */
const long = ["learning-*", "parity-auxiliary", "published-weights"].map(
  (name) => `kernels-test/${name}.gpu.test.ts`,
);
const skipped = process.env.STRIATE_DEVICE === "swiftshader" ? long : [];

export default defineConfig({
  test: {
    // "cpu" and "package" need no GPU.
    projects: [
      { extends: true, test: { name: "cpu", include: [all], exclude: [gpu, ...built] } },
      {
        extends: true,
        test: { name: "gpu", include: [gpu], exclude: ["**/node_modules/**", ...built, ...skipped] },
      },
      {
        extends: true,
        test: {
          name: "package",
          include: built.map((path) => `${path}/*.test.ts`),
          exclude: [gpu],
          globalSetup: fresh,
        },
      },
      {
        extends: true,
        test: {
          name: "package-gpu",
          include: built.map((path) => `${path}/*.gpu.test.ts`),
          globalSetup: fresh,
        },
      },
    ],
    // Dawn lives in a process of its own per worker, and each pays for the pipelines that it compiles (most of a
    // GPU test's time on a software adapter): few long-lived workers beat many.
    pool: "forks",
    maxWorkers: 2,
    // A software adapter takes up to 0.7 s for each pipeline, one after the other.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
