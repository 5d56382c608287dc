import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, release, type } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { listAdapters } from "../adapters";
import type { Device } from "../device";

/** Under which circumstances a figure was measured: what must be equal, or be known to differ, when two are compared. */
export interface Circumstances {
  readonly adapter: string;
  /** The adapter's own description, which most drivers put their version in. */
  readonly driver: string;
  readonly vendor: string;
  readonly architecture: string;
  /** `vulkan`, `metal`, `d3d12` */
  readonly backend: string;
  readonly os: string;
  readonly cpu: string;
  readonly node: string;
  /** Version of the package `webgpu`, which contains Dawn. */
  readonly webgpu: string;
  readonly striate: string;
  /** Of the checkout that Striate ran from, `-dirty` behind it when files had changed; empty for an installed package. */
  readonly commit: string;
  readonly toggles: readonly string[];
  /** ISO 8601, UTC. */
  readonly date: string;
}

/** The circumstances of what is measured on a device now. */
export async function circumstancesOf({ adapter: own, toggles }: Device): Promise<Circumstances> {
  const [first] = cpus();
  // The system's choice is opened without a name; the list of all has it under one.
  const adapter =
    own.backend === ""
      ? ((await listAdapters()).find(({ description }) => description === own.description) ?? own)
      : own;
  return {
    adapter: adapter.name,
    driver: adapter.description,
    vendor: adapter.vendor,
    architecture: adapter.architecture,
    backend: adapter.backend,
    os: `${type()} ${release()} ${process.arch}`,
    cpu: `${cpus().length} × ${first?.model.trim() || "unknown"}`,
    node: process.versions.node,
    webgpu: versionIn(createRequire(import.meta.url).resolve("webgpu"), "webgpu"),
    ...ownVersion(),
    toggles,
    date: new Date().toISOString(),
  };
}

/** The version in the package.json of that name at or above a file; empty when there is none. */
function versionIn(file: string, name: string): string {
  return packageAbove(file, name)?.version ?? "";
}

function packageAbove(file: string, name: string): { folder: string; version: string } | undefined {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest)) {
      const { name: found, version }: { name?: unknown; version?: unknown } = JSON.parse(
        readFileSync(manifest, "utf8"),
      );
      if (found === name) return { folder, version: String(version) };
    }
    if (folder === dirname(folder)) return undefined;
  }
}

let running: { readonly striate: string; readonly commit: string } | undefined;

/** Striate's version and, where it runs from a checkout of its own, the commit. Asked for once. */
function ownVersion(): { readonly striate: string; readonly commit: string } {
  const found = packageAbove(fileURLToPath(import.meta.url), "striate");
  running ??= { striate: found?.version ?? "", commit: found === undefined ? "" : commitOf(found.folder) };
  return running;
}

function commitOf(folder: string): string {
  if (!existsSync(join(folder, ".git"))) return "";
  try {
    return execFileSync(
      "git",
      ["-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
      {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      },
    ).trim();
  } catch {
    return ""; // no git here
  }
}
