import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    globalSetup: "scripts/fresh-build.mjs",
    include: ["{src,kernels-test,docs,examples,scripts}/**/*.test.ts"],
    // Dawn lives in a process of its own per worker, and each pays for the pipelines that it compiles (most of a
    // GPU test's time on a software adapter): few long-lived workers beat many.
    pool: "forks",
    maxWorkers: 2,
    // A software adapter takes up to 0.7 s for each pipeline, one after the other.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
