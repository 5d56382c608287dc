// Installs the npm packages and builds dist/, each only when missing or stale.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { SetupError, say } from "./say.mjs";

/**
 * The parts of a package-lock.json, or of npm's record of what it installed, that staleness depends on.
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, link?: boolean }} LockEntry
 * @typedef {{ packages?: Record<string, LockEntry> }} Lock
 */

/**
 * Why the installed packages do not match the lock file; undefined when they do. Optional packages may be absent:
 * they are the binaries of other platforms.
 * @param {Lock} wanted package-lock.json
 * @param {Lock | undefined} installed node_modules/.package-lock.json
 * @param {(path: string) => boolean} exists whether a folder, relative to the repository, is there
 * @returns {string | undefined}
 */
export function staleReason(wanted, installed, exists) {
  if (!installed) return "they are missing";
  for (const [path, entry] of Object.entries(wanted.packages ?? {})) {
    if (path === "" || entry.link) continue;
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    const have = installed.packages?.[path];
    if (!have) {
      if (!entry.optional) return `${name} is missing`;
    } else if (have.version !== entry.version || have.integrity !== entry.integrity) {
      return `${name} is ${have.version}, package-lock.json has ${entry.version}`;
    } else if (!exists(path)) {
      return `${name} is missing`;
    }
  }
  return undefined;
}

/** @param {string} root */
export function ensurePackages(root) {
  const lock = readJson(join(root, "package-lock.json"));
  if (!lock) throw new SetupError(`cannot read ${join(root, "package-lock.json")}: restore it from git`);
  const installed = readJson(join(root, "node_modules/.package-lock.json"));
  const reason = staleReason(lock, installed, (path) => existsSync(join(root, path)));
  if (!reason) return;
  say(`installing the npm packages: ${reason}`);
  const version = npm(["--version"], root).stdout.trim();
  if (!version) throw new SetupError("npm is not on the PATH: install it beside Node (https://nodejs.org)");
  if (Number.parseInt(version, 10) < 7)
    throw new SetupError(`npm ${version} is too old, 7 or newer is needed`);
  // NODE_ENV=production would leave out the build tools.
  const run = npm(["ci", "--include=dev", "--no-audit", "--no-fund"], root);
  if (run.status !== 0) throw new SetupError(`npm ci failed\n${reasons(run.stdout, run.stderr)}`);
}

/**
 * Runs the npm that started us, else the one on the PATH.
 * @param {string[]} args
 * @param {string} root
 */
function npm(args, root) {
  const script = process.env.npm_execpath ?? "";
  const own = basename(script).startsWith("npm-cli") && existsSync(script);
  const run = own
    ? spawnSync(process.execPath, [script, ...args], { cwd: root, encoding: "utf8", maxBuffer: 64 << 20 })
    : spawnSync("npm", args, {
        cwd: root,
        encoding: "utf8",
        maxBuffer: 64 << 20,
        shell: process.platform === "win32",
      });
  return { status: run.status, stdout: run.stdout ?? "", stderr: run.stderr ?? run.error?.message ?? "" };
}

/** The newest change in a file or folder, in ms; folders count, so that a deleted file shows. 0 when absent. */
export function newestChange(/** @type {string} */ path) {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  /** @type {number} */
  let newest = stat.mtimeMs;
  if (stat.isDirectory()) {
    for (const name of readdirSync(path)) newest = Math.max(newest, newestChange(join(path, name)));
  }
  return newest;
}

/**
 * Why dist/ must be built; undefined when it is newer than all that it is built from.
 * @param {string} root
 * @returns {string | undefined}
 */
export function buildReason(root) {
  const outputs = ["dist/cli.js", "dist/index.js", "dist/node.js", "dist/index.d.ts", "dist/node.d.ts"];
  const missing = outputs.find((path) => !existsSync(join(root, path)));
  if (missing) return `${missing} is missing`;
  const built = Math.min(...outputs.map((path) => statSync(join(root, path)).mtimeMs));
  const sources = ["src", "shaders", "package.json", "package-lock.json", "tsconfig.json", "tsup.config.ts"];
  const changed = sources.find((path) => newestChange(join(root, path)) > built);
  return changed && `${changed} has changed`;
}

/** @param {string} root */
export function ensureBuild(root) {
  const reason = buildReason(root);
  if (!reason) return;
  say(`building dist: ${reason}`);
  const run = npm(["run", "--silent", "build"], root);
  if (run.status !== 0)
    throw new SetupError(`the build failed (npm run build)\n${reasons(run.stdout, run.stderr)}`);
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * What npm has to say for itself comes first in its errors, before its manual; without any, what the program said
 * last. Stack traces of the tools tell a user nothing.
 * @param {string} stdout
 * @param {string} stderr
 */
function reasons(stdout, stderr) {
  const errors = stderr.split("\n").filter((line) => /^npm (error|ERR!) *\S/.test(line));
  if (errors.length > 0) return errors.slice(0, 10).join("\n");
  const lines = `${stdout}\n${stderr}`.split("\n").filter((line) => line.trim() && !/^\s+at /.test(line));
  return lines.slice(-20).join("\n");
}
