import { defineConfig } from "tsup";

export default defineConfig({
  entry: { index: "src/index.ts", node: "src/node.ts", cli: "src/cli/main.ts" },
  format: "esm",
  target: "es2022",
  platform: "neutral",
  external: [/^node:/, /^echarts/, "webgpu", "sharp", "commander", "cli-progress", "cli-table3"],
  noExternal: ["wgsl-preprocessor"],
  removeNodeProtocol: false,
  dts: {
    entry: { index: "src/index.ts", node: "src/node.ts" },
    banner: '/// <reference types="@webgpu/types" />',
  },
  splitting: true,
  clean: true,
});
