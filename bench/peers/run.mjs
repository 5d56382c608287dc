#!/usr/bin/env node
// Striate beside its peers on the same adapter, `npm run bench:peers`: see ../README.md.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, platform, release } from "node:os";
import { fileURLToPath } from "node:url";
import { ensurePackages } from "../../scripts/setup/packages.mjs";
import { SetupError } from "../../scripts/setup/say.mjs";
import { AskedWrongly, optionsOf, usage } from "./options.mjs";
import { beside, conclusion, failuresOf, head, inOrder, peersOf, rowOf, save, tableOf } from "./table.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));

try {
  const options = optionsOf(process.argv.slice(2));
  const failures = await run(options);
  if (failures.length > 0) throw new Error(failures.join("; "));
  // Not by itself: the libraries keep the device.
  process.exit(0);
} catch (error) {
  const isExpected = error instanceof AskedWrongly || error instanceof SetupError;
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`bench:peers: ${isExpected ? message : message.split("\n")[0]}\n`);
  if (process.env.DEBUG) console.error(error);
  process.exit(error instanceof AskedWrongly ? 2 : 1);
}

/** Measures or shows, and returns what Striate could not do. */
async function run(options) {
  if (options.help) {
    console.log(usage);
    return [];
  }
  const pytorch = options.pytorch === undefined ? undefined : resultsIn(options.pytorch);
  const complete = (results) => (pytorch === undefined ? results : beside(results, pytorch));
  const show = (results) => {
    if (options.table !== undefined) writeFileSync(options.table, `${tableOf(results)}\n`);
  };
  if (options.show !== undefined) {
    const results = complete(resultsIn(options.show));
    console.log(tableOf(results));
    show(results);
    return [];
  }
  const results = await measure(options, complete, show);
  return failuresOf(results);
}

function resultsIn(file) {
  try {
    const { results } = JSON.parse(readFileSync(file, "utf8"));
    if (Array.isArray(results)) return results;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new AskedWrongly(`${file} does not hold results that --json or pytorch.py left`);
}

async function measure(options, complete, show) {
  const { rounds, seconds, patience, at } = options;
  const work = await import("./work.mjs");
  const ofSize = at === undefined ? [] : work.networksAt(at.size, at.batch);
  const all = options.large ? work.largeRows : at === undefined ? work.rows : ofSize;
  const chosen = all.filter(({ id }) => options.only.test(id));
  if (chosen.length === 0) throw new AskedWrongly(`no row matches ${options.only}`);

  ensurePackages(here);
  await (await import("./build.mjs")).buildStriate();
  const { names, openPeer } = await import("./peers.mjs");
  const { Measurement } = await import("./measure.mjs");
  const { measureRows } = await import("./schedule.mjs");
  const { firstRun, measureColdStart } = await import("./cold.mjs");
  const unknown = options.peers.find((name) => !names.includes(name) || name === "striate");
  if (unknown !== undefined)
    throw new AskedWrongly(`there is no peer ${unknown}; there are ${names.slice(1).join(", ")}`);

  const striate = await openPeer("striate", options.device ?? process.env.STRIATE_DEVICE);
  const adapter = striate.dawnName;
  const peers = [{ ...striate, short: "striate" }];
  for (const short of options.peers) peers.push({ ...(await openPeer(short, adapter)), short });
  const meter = chosen.some(({ share }) => share !== undefined) ? await striate.openPeaks() : undefined;
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

  const circumstances = circumstancesOf(striate, peers);
  console.log(`${striate.adapter}; ${peers.map(({ name, version }) => `${name} ${version}`).join(", ")}\n`);
  const order = [...work.rows, ...work.largeRows, ...ofSize].map(({ id }) => id);
  const results = [];
  const columns = peersOf(
    complete(
      chosen.map(({ id }) => ({ row: id, measured: peers.map(({ name }) => ({ peer: name, times: [] })) })),
    ),
  );
  console.log(head(columns));
  /** After each row, so that nothing is lost when a long table is broken off. */
  const keep = (result) => {
    results.push(result);
    say("");
    console.log(rowOf(complete([result])[0], columns));
    if (options.json !== undefined) save(options.json, circumstances, results, order);
    show(complete(inOrder(results, order)));
  };
  await measureRows(chosen, {
    open: (row) =>
      Measurement.open(row, peers, {
        tolerance: work.toleranceOf(row.id),
        isGpu: striate.isGpu,
        meter,
        refuse,
        say,
      }),
    coldStart: (row) => measureColdStart(row, peers, { rounds, adapter, patience, say }),
    turns: { rounds, seconds },
    keep,
  });
  const measured = inOrder(results, order);
  console.log(`\n${conclusion(measured)}`);
  return measured;
}

function circumstancesOf({ adapter, driver }, peers) {
  return {
    adapter,
    driver,
    date: new Date().toISOString(),
    commit: outputOf("git", ["describe", "--always", "--dirty"]),
    node: process.version,
    system: `${platform()} ${release()} ${arch()}`,
    processor: `${cpus().length} × ${cpus()[0]?.model ?? "unknown"}`,
    versions: Object.fromEntries(peers.map(({ name, version }) => [name, version])),
  };
}

/** @param {string} command @param {readonly string[]} args */
function outputOf(command, args) {
  try {
    return execFileSync(command, args, { cwd: here, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return undefined;
  }
}
