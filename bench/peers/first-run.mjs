#!/usr/bin/env node
// A library's first run of a row in a process of its own: node first-run.mjs PEER ROW [ADAPTER]. Prints "done" once the
// adapter has finished it, which is what the parent's clock waits for.
import { openPeer } from "./peers.mjs";
import { resting } from "./resting.mjs";
import { rowNamed } from "./work.mjs";

const [name, id, adapter] = process.argv.slice(2);
const row = rowNamed(id);
const peer = await openPeer(name, adapter);
const job = await resting(peer.prepare(row));
await resting(
  (async () => {
    await job.run();
    await job.finish();
  })(),
);
process.stdout.write("done\n", () => process.exit(0));
