#!/usr/bin/env node
// `npm run bench:scaling`: how the time per image changes with the batch. See README.md.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { modelNamed } from "striate";
import { benchNetworks } from "striate/node";
import { spread } from "./peers/measure.mjs";

const usage = `npm run bench:scaling -- [options]
  --model NAME        a network of striate (resnet50)
  --img-size PX       side of the images (64)
  --batch-size LIST   batches to compare, in rising order (1,2,4,8)
  --rounds N          how often all batches take their turns, each on a device of its own (3)
  --num-warm-iter N   steps of a turn before the clock counts (3)
  --num-bench-iter N  steps of a turn that count (8)
  --device NAME       part of an adapter's name
  --out PREFIX        writes PREFIX.md and PREFIX.json (bench/results/scaling-ADAPTER)`;

const modes = /** @type {const} */ (["infer", "train"]);
const titles = { infer: "forward", train: "training step" };
const results = join(dirname(fileURLToPath(import.meta.url)), "results");

/**
 * @typedef {{ mode: "infer" | "train", batch: number, perImage: number[], median: number, low: number, high: number,
 *   memory: number }} Row milliseconds an image: samples, median and quartiles; bytes on the device
 */

async function main() {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) {
    console.log(usage);
    return 0;
  }
  const { model: name, size, batches, rounds, warm, samples, device } = options;
  const model = modelNamed(name, { imageSize: size });
  const say = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
  /** @type {Map<string, { mode: "infer" | "train", batch: number, perImage: number[], memory: number }>} */
  const measured = new Map();
  let circumstances;
  // Rounds, because the machine drifts: else the last batch would be measured on another machine than the first.
  for (let round = 0; round < rounds; round++) {
    for await (const event of benchNetworks([model], { modes, batches, adapters: [device], warm, samples })) {
      if (event.kind === "failure") throw new Error(`${event.title}: ${event.error.message}`);
      if (event.kind === "start") say(`round ${round + 1} of ${rounds}: ${event.title}`);
      if (event.kind !== "row") continue;
      const { mode, batch, step, memory } = event.row;
      circumstances ??= event.row.circumstances;
      const key = `${mode} ${batch}`;
      const row = measured.get(key) ?? { mode, batch, perImage: [], memory: memory.measured };
      row.perImage.push(...step.samples.map((time) => time / batch));
      measured.set(key, row);
    }
  }
  say("");
  /** @type {Row[]} */
  const rows = [...measured.values()].map((row) => ({ ...row, ...spread(row.perImage) }));
  const prefix = options.out ?? join(results, `scaling-${slug(circumstances.adapter)}`);
  const page = pageOf(rows, { ...options, circumstances });
  mkdirSync(dirname(prefix), { recursive: true });
  writeFileSync(`${prefix}.md`, page);
  const left = { model: name, imageSize: size, rounds, warm, samples, circumstances, rows };
  writeFileSync(`${prefix}.json`, `${JSON.stringify(left, rounded, 1)}\n`);
  console.log(page);
  process.stderr.write(`left in ${relative(process.cwd(), prefix)}.md and .json\n`);
  return 0;
}

/** @param {string[]} args */
function optionsOf(args) {
  const text = { type: /** @type {const} */ ("string") };
  const { values } = parseArgs({
    args,
    options: {
      model: { ...text, default: "resnet50" },
      "img-size": { ...text, default: "64" },
      "batch-size": { ...text, default: "1,2,4,8" },
      rounds: { ...text, default: "3" },
      "num-warm-iter": { ...text, default: "3" },
      "num-bench-iter": { ...text, default: "8" },
      device: { ...text, default: process.env.STRIATE_DEVICE },
      out: text,
      help: { type: "boolean" },
    },
  });
  if (values.help) return undefined;
  const whole = (name, given = values[name]) => {
    if (!/^[1-9]\d*$/.test(given))
      throw new Error(`--${name} takes whole numbers of at least 1, given ${given}`);
    return Number(given);
  };
  return {
    model: values.model,
    size: whole("img-size"),
    batches: values["batch-size"].split(",").map((given) => whole("batch-size", given)),
    rounds: whole("rounds"),
    warm: whole("num-warm-iter"),
    samples: whole("num-bench-iter"),
    device: values.device,
    out: values.out,
  };
}

/** @param {readonly Row[]} rows */
function pageOf(rows, { model, size, batches, rounds, samples, circumstances }) {
  const of = (mode, batch) => rows.find((row) => row.mode === mode && row.batch === batch);
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const columns = [
    "batch",
    ...modes.flatMap((mode) => [
      `${titles[mode]}, ms an image (quartiles)`,
      `× batch ${batches[0]}`,
      "memory, MB",
    ]),
  ];
  const lines = batches.map((batch) =>
    line([
      batch,
      ...modes.flatMap((mode) => {
        const { median, low, high, memory } = of(mode, batch);
        return [
          `${ms(median)} (${ms(low)}–${ms(high)})`,
          (median / of(mode, batches[0]).median).toFixed(2),
          (memory / 1e6).toFixed(0),
        ];
      }),
    ]),
  );
  const { adapter, driver, os, cpu, node, commit, date } = circumstances;
  return `# ${model}, ${size} px: time per image against the batch

${[line(columns), line(columns.map(() => "---")), ...lines].join("\n")}

${modes
  .map((mode) =>
    verdict(
      mode,
      batches.map((batch) => of(mode, batch)),
    ),
  )
  .join("\n")}

Medians and quartiles of ${rounds} × ${samples} steps, the batches by turns. ${adapter}${driver === adapter ? "" : ` (${driver})`}; ${os}; ${cpu}; Node ${node};
commit ${commit || "unknown"}; ${date}.
`;
}

/** Whether an image takes longer in a larger batch, by more than the quartiles of both overlap. */
function verdict(mode, rows) {
  const risen = rows.slice(1).filter((row, k) => row.median > rows[k].median && row.low > rows[k].high);
  const list = risen.map(({ batch }) => `batch ${batch}`).join(", ");
  return `- ${titles[mode]}: time per image ${risen.length === 0 ? "does not rise beyond the quartiles" : `**rises** at ${list}`}`;
}

const ms = (time) => (time < 10 ? time.toFixed(2) : time < 100 ? time.toFixed(1) : time.toFixed(0));

/** The adapter's name up to its version, as a file name. */
const slug = (adapter) =>
  (/^[^:(,]+/.exec(adapter)?.[0] ?? adapter)
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-");

/** Five digits are more than the noise leaves. */
const rounded = (_, value) => (typeof value === "number" ? Number(value.toPrecision(5)) : value);

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench:scaling: ${String(error instanceof Error ? error.message : error)}\n`);
  process.exitCode = 1;
}
