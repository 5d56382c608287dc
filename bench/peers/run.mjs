#!/usr/bin/env node
// Striate beside its peers on the same adapter: see ../README.md.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { arch, cpus, platform, release } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensurePackages } from "../../scripts/setup/packages.mjs";

const usage = `node run.mjs [options]
  --only PATTERN    rows whose title matches (a regular expression)
  --peers LIST      of tfjs,jaxjs; both if not given
  --rounds N        at least so many rounds a row (5)
  --patience S      seconds that a first run may take in a process of its own (120)
  --device NAME     part of an adapter's name
  --json FILE       adds the results to this file
  --table FILE      prints the table of such a file and measures nothing`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", default: "." },
    peers: { type: "string", default: "tfjs,jaxjs" },
    rounds: { type: "string", default: "5" },
    patience: { type: "string", default: "120" },
    device: { type: "string" },
    json: { type: "string" },
    table: { type: "string" },
    help: { type: "boolean" },
  },
});
if (options.help) {
  console.log(usage);
  process.exit(0);
}

const { conclusion, head, peersOf, rowOf, save } = await import("./table.mjs");
if (options.table !== undefined) {
  const { results } = JSON.parse(readFileSync(options.table, "utf8"));
  const peers = peersOf(results);
  console.log([head(peers), ...results.map((result) => rowOf(result, peers))].join("\n"));
  console.log(`\n${conclusion(results)}`);
  process.exit(0);
}

const here = fileURLToPath(new URL(".", import.meta.url));
ensurePackages(here);
await (await import("./build.mjs")).buildStriate();
const { rows } = await import("./work.mjs");
const { openPeer } = await import("./peers.mjs");
const { measureRow } = await import("./measure.mjs");
const { firstRun, measureColdStart } = await import("./cold.mjs");

const striate = await openPeer("striate", options.device ?? process.env.STRIATE_DEVICE);
const adapter = striate.dawnName;
const peers = [{ ...striate, short: "striate" }];
for (const short of options.peers.split(",").filter(Boolean)) {
  peers.push({ ...(await openPeer(short, adapter)), short });
}
const only = new RegExp(options.only, "i");
const chosen = rows.filter(({ id }) => only.test(id));
const meter = chosen.some(({ share }) => share !== undefined) ? await striate.openPeaks() : undefined;
const rounds = Number(options.rounds);
const patience = Number(options.patience);
const say = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);

/** A library that may take many minutes to start is tried in a process of its own, which can be ended. */
async function refuse({ isSlowToStart, short }, { id, kind }) {
  if (isSlowToStart !== true || kind !== "network") return undefined;
  try {
    await firstRun(short, id, { adapter, patience });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** @param {string} command @param {readonly string[]} args */
function outputOf(command, args) {
  try {
    return execFileSync(command, args, { cwd: here, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return undefined;
  }
}

const circumstances = {
  adapter: striate.adapter,
  date: new Date().toISOString(),
  commit: outputOf("git", ["describe", "--always", "--dirty"]),
  node: process.version,
  system: `${platform()} ${release()} ${arch()}`,
  processor: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
  versions: Object.fromEntries(peers.map(({ name, version }) => [name, version])),
};
console.log(`${striate.adapter}; ${peers.map(({ name, version }) => `${name} ${version}`).join(", ")}\n`);
const columns = peers.slice(1).map(({ name }) => name);
console.log(head(columns));
const results = [];
for (const row of chosen) {
  const result =
    row.kind === "cold"
      ? await measureColdStart(row, peers, { rounds, adapter, patience, say })
      : await measureRow(row, peers, {
          rounds,
          tolerance: row.part === "train" ? 1e-2 : 1e-3,
          meter,
          refuse,
          say,
        });
  results.push(result);
  say("");
  console.log(rowOf(result, columns));
  // After each row, so that nothing is lost when a long table is broken off.
  if (options.json !== undefined) {
    save(
      options.json,
      circumstances,
      results,
      rows.map(({ id }) => id),
    );
  }
}
console.log(`\n${conclusion(results)}`);
process.exit(0);
