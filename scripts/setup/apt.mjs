// Software Vulkan from the distribution's own packages, on Debian, Ubuntu and their kin.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SetupError, say } from "./say.mjs";

/**
 * One enabled `deb` line of apt's sources; `options` are deb822 fields such as Signed-By.
 * @typedef {{ uris: string[], suites: string[], components: string[], options: Record<string, string> }} Source
 * @typedef {{ packages: string[], backports: string | undefined }} Plan
 */

export const backportsFile = "/etc/apt/sources.list.d/striate-backports.sources";
const stableNames = ["stable", "oldstable", "oldoldstable"];

/** Reads the fields of /etc/os-release. */
export function parseOsRelease(/** @type {string} */ text) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of text.split("\n")) {
    const match = /^([A-Z0-9_]+)=(.*)$/.exec(line.trim());
    if (match?.[1]) fields[match[1]] = (match[2] ?? "").replace(/^(["'])(.*)\1$/, "$2");
  }
  return fields;
}

/**
 * Reads the one-line format (`deb [signed-by=…] URI suite component…`).
 * @param {string} text
 * @returns {Source[]}
 */
export function parseListFile(text) {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match?.[2] || !match[3]) return [];
    /** @type {Record<string, string>} */
    const options = {};
    for (const [, key = "", value = ""] of (match[1] ?? "").matchAll(/([\w-]+)=(\S+)/g)) {
      options[fieldOf(key)] = value.replaceAll(",", " ");
    }
    return [{ uris: [match[2]], suites: [match[3]], components: words(match[4]), options }];
  });
}

/**
 * Reads the deb822 format (`*.sources`): stanzas of `Field: value`, continued on indented lines.
 * @param {string} text
 * @returns {Source[]}
 */
export function parseSourcesFile(text) {
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  const stanzas = lines.join("\n").split(/\n[ \t]*\n/);
  return stanzas.flatMap((stanza) => {
    const { Types, URIs, Suites, Components, Enabled, ...options } = stanzaFields(stanza);
    if (!words(Types).includes("deb") || /^(no|false|0|off)$/i.test(Enabled ?? "")) return [];
    return [{ uris: words(URIs), suites: words(Suites), components: words(Components), options }];
  });
}

function stanzaFields(/** @type {string} */ stanza) {
  /** @type {Record<string, string>} */
  const fields = {};
  let last = "";
  for (const line of stanza.split("\n")) {
    const match = /^([A-Za-z][\w-]*):\s*(.*)$/.exec(line);
    if (match?.[1]) {
      last = fieldOf(match[1]);
      fields[last] = match[2] ?? "";
    } else if (last && /^\s/.test(line)) {
      fields[last] += `\n${line}`; // an embedded key keeps its lines as they are
    }
  }
  return fields;
}

/** apt's field names ignore case; its one-line options have short forms. */
function fieldOf(/** @type {string} */ name) {
  const lower = name.toLowerCase();
  if (lower === "uris") return "URIs";
  const long = { arch: "architectures", lang: "languages", target: "targets" }[lower] ?? lower;
  return long.replace(/(^|-)([a-z])/g, (_, dash, letter) => dash + letter.toUpperCase());
}

function words(/** @type {string | undefined} */ text) {
  return (text ?? "").split(/\s+/).filter(Boolean);
}

/** Every enabled binary source that this machine's apt reads. */
export function readSources(root = "/etc/apt") {
  const folder = join(root, "sources.list.d");
  const parts = existsSync(folder) ? readdirSync(folder).sort() : [];
  return ["sources.list", ...parts.map((name) => join("sources.list.d", name))].flatMap((name) => {
    const path = join(root, name);
    if (!existsSync(path)) return [];
    if (name.endsWith(".list")) return parseListFile(readFileSync(path, "utf8"));
    return name.endsWith(".sources") ? parseSourcesFile(readFileSync(path, "utf8")) : [];
  });
}

/**
 * The text of a sources file for `<codename>-backports` on the mirror that serves the release itself, "" when a
 * source already names it, undefined when no source names the release.
 * @param {Source[]} sources
 * @param {string} codename
 */
export function backportsSource(sources, codename) {
  const suite = `${codename}-backports`;
  if (sources.some(({ suites }) => suites.includes(suite))) return "";
  /** @param {string[]} names */
  const serving = (names) =>
    sources.find(
      ({ uris, suites, components }) =>
        components.includes("main") &&
        suites.some((name) => names.includes(name)) &&
        uris.some((uri) => !uri.startsWith("cdrom:")),
    );
  const source = serving([codename]) ?? serving(stableNames);
  if (!source) return undefined;
  const fields = {
    Types: "deb",
    URIs: source.uris.filter((uri) => !uri.startsWith("cdrom:")).join(" "),
    Suites: suite,
    Components: "main",
    ...source.options,
  };
  const stanza = Object.entries(fields).map(
    ([name, value]) => `${name}:${value.startsWith("\n") ? "" : " "}${value}`,
  );
  return `# Added by striate's set-up for a Mesa that WebGPU can use. Delete this file to undo.\n${stanza.join("\n")}\n`;
}

/**
 * What to install for an adapter. Debian 12's own Mesa (22.3) lacks features that Dawn requires; Ubuntu's chromium
 * is a snap without a SwiftShader that others can load, so there is no plan for it (undefined).
 * @param {Record<string, string>} os fields of os-release
 * @param {"default" | "swiftshader"} adapter
 * @returns {Plan | undefined}
 */
export function aptPlan(os, adapter) {
  if (adapter === "swiftshader") {
    return os.ID === "debian" ? { packages: ["libvulkan1", "chromium"], backports: undefined } : undefined;
  }
  const backports = os.ID === "debian" && os.VERSION_ID === "12" ? "bookworm" : undefined;
  return { packages: ["libvulkan1", "mesa-vulkan-drivers"], backports };
}

/**
 * What to put before a command to run it as root: nothing when we are root, sudo when it asks for no password or a
 * person is there to type it; undefined when there is no way.
 * @param {boolean} interactive
 */
export function rootPrefix(interactive) {
  if (process.getuid?.() === 0) return [];
  const sudo = spawnSync("sudo", ["-n", "true"], { stdio: "ignore" });
  if (sudo.status === 0) return ["sudo", "-n"];
  return interactive && !sudo.error ? ["sudo"] : undefined;
}

/**
 * Installs the plan's packages; leaves no sources file behind when that fails.
 * @param {Plan} plan
 * @param {string[]} prefix from `rootPrefix`
 */
export function aptInstall({ packages, backports }, prefix) {
  let added = false;
  if (backports) {
    const source = backportsSource(readSources(), backports);
    if (source === undefined)
      throw new SetupError(`no apt source names ${backports}, so none for its backports`, 3);
    if (source) {
      say(`adding ${backportsFile} (suite ${backports}-backports of this machine's own mirror)`);
      writeAsRoot(backportsFile, source, prefix);
      added = true;
    }
  }
  say(
    `installing ${packages.join(", ")}${backports ? ` from ${backports}-backports` : ""} (apt-get, about a minute)`,
  );
  // A broken third-party source fails the update without mattering here: the install below decides.
  const update = aptGet(["update"], prefix);
  const suite = backports ? ["-t", `${backports}-backports`] : [];
  const install = aptGet(["install", "-y", "--no-install-recommends", ...suite, ...packages], prefix);
  if (install.status === 0) return;
  if (added) removeAsRoot(backportsFile, prefix);
  // Without a network the install only complains about what the update could not fetch.
  const reasons = [
    `apt-get could not install ${packages.join(", ")}`,
    ...[complaint(update.output)].flatMap((line) => (line ? `  update: ${line}` : [])),
    `  install: ${complaint(install.output) ?? `exit code ${install.status}`}`,
    ...(added ? [`removed ${backportsFile} again`] : []),
  ];
  throw new SetupError(reasons.join("\n"), 3);
}

/**
 * @param {string[]} args
 * @param {string[]} prefix
 */
function aptGet(args, prefix) {
  // `env` because sudo drops the environment; another apt may hold the lock for a while on a fresh machine.
  const command = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "apt-get", "-q"];
  const [file = "", ...rest] = [...command, "-o", "DPkg::Lock::Timeout=300", ...args];
  const run = spawnSync(file, rest, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: 64 << 20,
  });
  return {
    status: run.status,
    output: `${run.stderr ?? ""}\n${run.stdout ?? ""}\n${run.error ? `E:${run.error.message}` : ""}`,
  };
}

/** The line of apt's output that says most: an error before a warning; undefined when there is neither. */
export function complaint(/** @type {string} */ output) {
  const lines = output.split("\n").map((line) => line.trim());
  const line = lines.find((text) => text.startsWith("E:")) ?? lines.find((text) => text.startsWith("W:"));
  return line?.slice(2).trim();
}

/**
 * @param {string} path
 * @param {string} text
 * @param {string[]} prefix
 */
function writeAsRoot(path, text, prefix) {
  if (prefix.length === 0) return writeFileSync(path, text);
  const [file = "", ...args] = [...prefix, "tee", path];
  const run = spawnSync(file, args, { input: text, stdio: ["pipe", "ignore", "inherit"] });
  if (run.status !== 0) throw new SetupError(`cannot write ${path} through ${prefix.join(" ")}`, 3);
}

/**
 * @param {string} path
 * @param {string[]} prefix
 */
function removeAsRoot(path, prefix) {
  if (prefix.length === 0) return rmSync(path, { force: true });
  const [file = "", ...args] = [...prefix, "rm", "-f", path];
  spawnSync(file, args, { stdio: "ignore" });
}
