// Finds a WebGPU adapter, or gets software Vulkan, or says what would help on this system.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { fileURLToPath } from "node:url";
import { aptInstall, aptPlan, parseOsRelease, rootPrefix } from "./apt.mjs";
import { SetupError, say } from "./say.mjs";

/** Where Debian's chromium keeps SwiftShader's driver manifest. */
const swiftshaderManifest = "/usr/lib/chromium/vk_swiftshader_icd.json";

/** @typedef {"default" | "swiftshader"} AdapterChoice */

/**
 * The environment in which a program sees the chosen adapter.
 * @param {AdapterChoice} choice
 * @param {NodeJS.ProcessEnv} env
 */
export function adapterEnv(choice, env = process.env) {
  if (choice === "default") return { ...env };
  return {
    ...env,
    VK_DRIVER_FILES: env.VK_DRIVER_FILES ?? swiftshaderManifest,
    STRIATE_DEVICE: "swiftshader",
  };
}

/**
 * Asks for the adapter in a process of its own.
 * @param {NodeJS.ProcessEnv} env
 * @returns {{ name: string | null, error?: string }}
 */
export function probe(env) {
  const script = fileURLToPath(new URL("probe.mjs", import.meta.url));
  const run = spawnSync(process.execPath, [script], { env, encoding: "utf8", timeout: 60_000 });
  const line = run.stdout?.split("\n").find((text) => text.startsWith("{"));
  if (line) return JSON.parse(line);
  return { name: null, error: `asking for an adapter ended with ${run.signal ?? `exit code ${run.status}`}` };
}

/**
 * Returns when the adapter is there; otherwise throws with exit code 3.
 * @param {AdapterChoice} choice
 */
export async function ensureAdapter(choice) {
  const found = findAdapter(choice);
  if (found.name) return say(`adapter ${found.name}`);
  if (found.unloadable) throw new SetupError(found.why, 3);
  say(found.why);
  await install(choice);
  const again = findAdapter(choice);
  if (!again.name) throw new SetupError(`${again.why}, even after the installation\n${hint(choice)}`, 3);
  say(`adapter ${again.name}`);
}

/** @param {AdapterChoice} choice */
function findAdapter(choice) {
  const env = adapterEnv(choice);
  if (choice === "swiftshader" && !existsSync(env.VK_DRIVER_FILES ?? "")) {
    return { name: null, why: `no SwiftShader: ${env.VK_DRIVER_FILES} does not exist`, unloadable: false };
  }
  const { name, error } = probe(env);
  if (error) return { name: null, why: `the webgpu package does not work here: ${error}`, unloadable: true };
  if (!name) return { name: null, why: "WebGPU finds no adapter on this machine", unloadable: false };
  if (choice === "swiftshader" && !/swiftshader/i.test(name)) {
    return { name: null, why: `asked for SwiftShader, got ${name}`, unloadable: false };
  }
  return { name, why: "", unloadable: false };
}

/** @param {AdapterChoice} choice */
async function install(choice) {
  const plan = aptFamily() ? aptPlan(osRelease(), choice) : undefined;
  if (!plan) throw new SetupError(hint(choice), 3);
  const interactive = Boolean(process.stdin.isTTY && process.stderr.isTTY && !process.env.CI);
  const prefix = rootPrefix(interactive);
  if (!prefix) {
    throw new SetupError(`nothing installed: neither root nor sudo without a password\n${hint(choice)}`, 3);
  }
  if (interactive && !(await consent(plan))) throw new SetupError(hint(choice), 3);
  try {
    aptInstall(plan, prefix);
  } catch (error) {
    if (error instanceof SetupError) throw new SetupError(`${error.message}\n${hint(choice)}`, 3);
    throw error;
  }
}

/** @param {import("./apt.mjs").Plan} plan */
async function consent({ packages, backports }) {
  const where = backports ? ` from ${backports}-backports` : "";
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  // Ctrl-D closes the prompt without an answer, which is a no.
  const closed = new Promise((resolve) => prompt.once("close", () => resolve("no")));
  const question = `setup: install ${packages.join(" and ")}${where} now? [Y/n] `;
  const answer = String(await Promise.race([prompt.question(question), closed]));
  prompt.close();
  return /^(y|yes|)$/i.test(answer.trim());
}

function osRelease() {
  return existsSync("/etc/os-release") ? parseOsRelease(readFileSync("/etc/os-release", "utf8")) : {};
}

function aptFamily(os = osRelease()) {
  return [os.ID, ...(os.ID_LIKE ?? "").split(" ")].some((id) => id === "debian" || id === "ubuntu");
}

/**
 * What a person can do on this system.
 * @param {AdapterChoice} choice
 * @param {NodeJS.Platform} platform
 * @param {Record<string, string>} os fields of os-release
 */
export function hint(choice, platform = process.platform, os = osRelease()) {
  const like = [os.ID, ...(os.ID_LIKE ?? "").split(" ")];
  const plan = aptFamily(os) ? aptPlan(os, choice) : undefined;
  if (choice === "swiftshader") {
    if (plan) return `install SwiftShader as root: apt-get install ${plan.packages.join(" ")}`;
    return "set VK_DRIVER_FILES to SwiftShader's vk_swiftshader_icd.json (it sits beside Chromium's binary)";
  }
  if (platform === "darwin") return "macOS offers WebGPU through Metal: run outside a VM without GPU access";
  if (platform === "win32")
    return "install the GPU maker's current driver (Windows offers WebGPU through Direct3D 12)";
  const gpu = "install the GPU's Vulkan driver, or software Vulkan as root:";
  if (plan) {
    const { packages, backports } = plan;
    const suite = backports ? `-t ${backports}-backports ` : "";
    const note = backports
      ? ` (Debian 12's own Mesa is too old; enable its suite ${backports}-backports first)`
      : "";
    return `${gpu} apt-get install ${suite}${packages.join(" ")}${note}`;
  }
  if (like.includes("fedora") || like.includes("rhel"))
    return `${gpu} dnf install vulkan-loader mesa-vulkan-drivers`;
  if (like.includes("arch")) return `${gpu} pacman -S vulkan-icd-loader vulkan-swrast`;
  if (like.includes("alpine"))
    return "the webgpu package needs glibc 2.34 or newer, which Alpine does not have";
  return `${gpu} the Vulkan loader (libvulkan.so.1) and Mesa's lavapipe driver`;
}
