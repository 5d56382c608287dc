import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { summarize } from "./measure.mjs";

const child = fileURLToPath(new URL("first-run.mjs", import.meta.url));

/**
 * Milliseconds from the start of a process to the end of a library's first run of a row.
 *
 * @param {string} peer by its short name
 * @param {string} id the row's
 * @param {{ adapter: string | undefined, patience: number }} options how many seconds it may take
 * @returns {Promise<number>}
 */
export function firstRun(peer, id, { adapter, patience }) {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const args = [child, peer, id, ...(adapter === undefined ? [] : [adapter])];
    const running = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let took;
    let output = "";
    const timer = setTimeout(() => running.kill("SIGKILL"), 1000 * patience);
    running.stdout.on("data", (text) => {
      // Dawn writes its warnings here too.
      if (`${text}`.includes("done")) took ??= performance.now() - start;
    });
    running.stderr.on("data", (text) => {
      output += text;
    });
    running.on("error", reject);
    running.on("close", (code, signal) => {
      clearTimeout(timer);
      const why = /^\w*Error: .*$/m.exec(output)?.[0] ?? `it ended with code ${code}`;
      if (took !== undefined) resolve(took);
      else reject(new Error(signal === "SIGKILL" ? `no first run within ${patience} s` : why));
    });
  });
}

/**
 * The cold start: processes take turns, A B A B, after one of each that fills the file system's cache.
 *
 * @param {import("./work.mjs").Row} row
 * @param {readonly (import("./measure.mjs").Peer & { short: string })[]} peers
 * @param {{ rounds: number, adapter: string | undefined, patience: number, say: (text: string) => void }} options
 * @returns {Promise<import("./measure.mjs").Result>}
 */
export async function measureColdStart(row, peers, { rounds, say, ...options }) {
  const all = peers.map(({ name, version, short }) => ({
    short,
    measured: { peer: name, version, times: [] },
  }));
  for (let round = -1; round < rounds; round++) {
    for (const { short, measured } of all) {
      if (measured.error !== undefined) continue;
      say(`${row.id}: ${measured.peer}, ${round < 0 ? "once for the caches" : `round ${round + 1}`}`);
      try {
        const time = await firstRun(short, row.id, options);
        if (round >= 0) measured.times.push(time);
      } catch (error) {
        measured.error = error instanceof Error ? error.message : String(error);
      }
    }
  }
  const measured = all.map((one) => one.measured);
  summarize(row, measured, []);
  return { row: row.id, goal: row.goal, share: undefined, measured, peaks: [] };
}
