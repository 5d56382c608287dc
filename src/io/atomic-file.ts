import { randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InputError } from "./errors";
import { fileReason } from "./file-reason";

/**
 * Writes a file so that whoever looks sees the old one or the new one, whole: a temporary file in the same folder,
 * fsync, rename, fsync of the folder. A symbolic link stays, and what it points to is replaced. On failure the
 * temporary file is removed and the previous file is untouched. (A process killed outright can leave
 * `.NAME.PID-….tmp` behind; the previous file is whole then, too.)
 *
 * @param pieces written one after the other, so that a large file need not be put together in memory
 * @throws InputError `cannot write X: reason`
 */
export async function writeFileAtomic(
  file: string,
  pieces: Uint8Array | readonly Uint8Array[],
): Promise<void> {
  let temporary: string | undefined;
  let handle: FileHandle | undefined;
  try {
    const target = await realpath(file).catch(() => file);
    const folder = dirname(target);
    const mode = await replacedMode(target);
    const path = join(folder, `.${basename(target)}.${process.pid}-${randomBytes(6).toString("hex")}.tmp`);
    handle = await open(path, "wx", mode);
    temporary = path;
    for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) await writeAll(handle, piece);
    await handle.sync();
    const written = handle;
    handle = undefined;
    await written.close();
    await rename(path, target);
    temporary = undefined;
    await syncFolder(folder);
  } catch (error) {
    await handle?.close().catch(() => undefined);
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
    throw new InputError(`cannot write ${file}: ${fileReason(error)}`, { cause: error });
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  const step = 256 * 1024 * 1024; // one call transfers less than 2 GiB
  for (let at = 0; at < bytes.length; )
    at += (await handle.write(bytes, at, Math.min(step, bytes.length - at))).bytesWritten;
}

/** The permissions of the file that is replaced; those of a new file where there is none. */
async function replacedMode(target: string): Promise<number> {
  try {
    const found = await stat(target);
    if (found.isDirectory()) throw Object.assign(new Error("is a directory"), { code: "EISDIR" });
    return found.mode & 0o777;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return 0o666;
    throw error;
  }
}

/** Makes the rename itself survive a power cut. Not every system lets a folder be opened; the file is whole anyway. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Windows, and some network file systems.
  }
}
