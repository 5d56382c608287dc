// Makes a checkout ready: npm packages, dist/, a WebGPU adapter. Needs nothing but Node. With a command after `--`
// it runs that command in the adapter's environment.
//   node scripts/setup.mjs [--adapter=default|swiftshader|none] [-- command argument…]
import { spawnSync } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`setup: Node ${process.versions.node} is too old, 20.19 or newer is needed\n`);
  process.exit(1);
}

// Imported only now: an older Node must reach the line above before it meets newer syntax.
const { adapterEnv, ensureAdapter } = await import("./setup/adapter.mjs");
const { ensureBuild, ensurePackages } = await import("./setup/packages.mjs");
const { say, SetupError } = await import("./setup/say.mjs");

try {
  process.exitCode = await setUp(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message.replaceAll("\n", "\nsetup: "));
  process.exitCode = error.exitCode;
}

/** @param {string[]} argv */
async function setUp(argv) {
  const dashes = argv.indexOf("--");
  const options = dashes < 0 ? argv : argv.slice(0, dashes);
  const command = dashes < 0 ? [] : argv.slice(dashes + 1);
  let adapter = "default";
  for (const option of options) {
    const value = /^--adapter=(default|swiftshader|none)$/.exec(option)?.[1];
    if (!value) throw new SetupError(`unknown option ${option}, expected --adapter=default|swiftshader|none`);
    adapter = value;
  }
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  ensurePackages(root);
  ensureBuild(root);
  const choice = adapter === "swiftshader" ? "swiftshader" : "default";
  if (adapter !== "none") await ensureAdapter(choice);
  const [file, ...args] = command;
  if (!file) return 0;
  // npm's command shims are .cmd files on Windows, which only a shell starts.
  const shell = process.platform === "win32";
  const run = spawnSync(file, args, { stdio: "inherit", env: adapterEnv(choice), shell });
  if (run.error) throw new SetupError(`cannot run ${file}: ${run.error.message}`);
  return run.status ?? 1;
}
