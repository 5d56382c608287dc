#!/usr/bin/env node
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "." },
    rounds: { type: "string", default: "5" },
    json: { type: "string" },
    device: { type: "string" },
  },
});

if (!existsSync(here("node_modules/@tensorflow/tfjs"))) {
  execFileSync("npm", ["ci"], { cwd: here("."), stdio: "inherit" });
}
execFileSync(
  here("../../node_modules/.bin/esbuild"),
  [
    "striate.ts",
    "--bundle",
    "--platform=node",
    "--format=esm",
    "--external:webgpu",
    "--log-level=warning",
    "--outfile=.build/striate.mjs",
  ],
  { cwd: here("."), stdio: ["ignore", "ignore", "inherit"] },
);

const { rows, inputsOf } = await import("./work.mjs");
const { networks } = await import("./networks.mjs");
const { parametersOf, valuesOf, batchOf, training } = await import("./parameters.mjs");
const { measureRow } = await import("./measure.mjs");
const { provideGpu } = await import("./gpu.mjs");
const { openStriate } = await import(here(".build/striate.mjs"));
const shared = { networks, parametersOf, valuesOf, batchOf, training };
const striate = await openStriate(options.device ?? process.env.STRIATE_DEVICE, inputsOf, shared);
provideGpu(striate.dawnName);
const { openTfjs } = await import("./tfjs.mjs");
const peers = [striate, await openTfjs()];

const only = new RegExp(options.only, "i");
const say = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
const results = [];
console.log(`${striate.adapter}; ${peers.map(({ name, version }) => `${name} ${version}`).join(", ")}`);
for (const row of rows.filter(({ id }) => only.test(id))) {
  const measured = await measureRow(row, peers, {
    rounds: Number(options.rounds),
    tolerance: row.part === "train" ? 1e-2 : 1e-3,
    say,
  });
  results.push({ row: row.id, goal: row.goal, measured });
  const cells = measured.map(({ peer, error, time, ratio }) =>
    error !== undefined || time === undefined
      ? `${peer}: ${error}`
      : `${peer} ${time.median.toFixed(1)} ms${peer === "Striate" || ratio === undefined ? "" : ` (${ratio.median.toFixed(2)}×, ${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`}`,
  );
  console.log(`${row.id} | ${cells.join(" | ")}${row.goal === undefined ? "" : ` | goal ${row.goal}×`}`);
}
if (options.json !== undefined) {
  const circumstances = { adapter: striate.adapter, node: process.version, date: new Date().toISOString() };
  writeFileSync(options.json, `${JSON.stringify({ circumstances, results }, null, 2)}\n`);
}
process.exit(0);
