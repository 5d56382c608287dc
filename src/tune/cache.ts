import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { AdapterDescription } from "../adapters";
import { writeFileAtomic } from "../io/atomic-file";
import { InputError } from "../io/errors";
import { fileReason } from "../io/file-reason";
import { readInputFile } from "../io/read-file";
import { fingerprint, type Tuning } from "../passes/tuning";
import { formatTuning, parseTuning } from "./format";

type Environment = Readonly<Record<string, string | undefined>>;

/** What a cache needs to know of an adapter. */
export type Adapter = Pick<
  AdapterDescription,
  "name" | "backend" | "vendor" | "architecture" | "description"
>;

export interface TuningCacheOptions {
  /** Where the files lie; `tuningFolder()` if not given. */
  readonly folder?: string | undefined;
  /** Told of a file that cannot be used or written, in one line; nothing else comes of it. */
  readonly onProblem?: ((problem: string) => void) | undefined;
}

/**
 * Where measured choices are kept: STRIATE_TUNING if it is set, else a folder of the user's cache.
 *
 * @example tuningFolder({ XDG_CACHE_HOME: "/home/me/.cache" }, "linux") // "/home/me/.cache/striate/tune"
 */
export function tuningFolder(
  env: Environment = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  if (env.STRIATE_TUNING) return env.STRIATE_TUNING;
  const caches =
    env.XDG_CACHE_HOME ||
    (platform === "win32" && env.LOCALAPPDATA) ||
    (platform === "darwin" ? join(homedir(), "Library", "Caches") : join(homedir(), ".cache"));
  return join(caches, "striate", "tune");
}

/** The adapter and its driver, as far as WebGPU tells: measurements hold for no other. */
export const adapterIdentity = ({ name, backend, vendor, architecture, description }: Adapter): string =>
  [name, backend, vendor, architecture, description].join(" | ");

/** One file an adapter and driver. */
export function tuningFile(adapter: Adapter, folder = tuningFolder()): string {
  const readable = adapter.name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return join(folder, `${readable.slice(0, 60)}-${fingerprint(adapterIdentity(adapter))}.json`);
}

/**
 * The choices that were measured on an adapter before; none where there is no file, or none that can be used.
 *
 * @example const tuning = await readTuning(device.adapter); await compile(net, { device, batch: 1, tuning });
 */
export async function readTuning(adapter: Adapter, options: TuningCacheOptions = {}): Promise<Tuning> {
  const file = tuningFile(adapter, options.folder);
  try {
    return parseTuning(new TextDecoder().decode(await readInputFile(file)), adapterIdentity(adapter), file);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    if (!isMissing(error)) options.onProblem?.(`${error.message}; kernels are chosen as if it were empty`);
    return new Map();
  }
}

/**
 * Keeps choices for later, together with those that are on disk already.
 *
 * @returns the file, or undefined where it could not be written
 */
export async function writeTuning(
  adapter: Adapter,
  tuning: Tuning,
  options: TuningCacheOptions = {},
): Promise<string | undefined> {
  const file = tuningFile(adapter, options.folder);
  try {
    // Another process may have written since; what is on disk and unusable has been told of when it was read.
    const onDisk = await readTuning(adapter, { folder: options.folder });
    const all = new Map([...onDisk, ...tuning]);
    await makeFolder(options.folder ?? tuningFolder());
    await writeFileAtomic(file, new TextEncoder().encode(formatTuning(all, adapterIdentity(adapter))));
    return file;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    options.onProblem?.(`${error.message}; the measurements are used now and not kept`);
    return undefined;
  }
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw new InputError(`cannot write ${folder}: ${fileReason(error)}`, { cause: error });
  }
}

const isMissing = ({ cause }: InputError): boolean =>
  cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ENOTDIR");
