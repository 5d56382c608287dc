import { type FileHandle, open } from "node:fs/promises";
import { InputError } from "./errors";
import { fileReason } from "./file-reason";

// Linux transfers at most 2^31 - 4096 bytes a call, and a smaller step costs nothing.
const STEP = 256 * 1024 * 1024;

/**
 * A whole file in one array, of any size that fits in memory (`fs.readFile` ends at 2 GiB), held once.
 *
 * @throws InputError `cannot read X: reason` when X is missing, empty, a directory, unreadable, or not a regular file
 */
export async function readInputFile(file: string): Promise<Uint8Array<ArrayBuffer>> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "r");
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new InputError(`cannot read ${file}: it is a directory`);
    if (!stat.isFile()) throw new InputError(`cannot read ${file}: not a regular file`);
    if (stat.size === 0) throw new InputError(`cannot read ${file}: the file is empty`);
    const bytes = new Uint8Array(stat.size);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(STEP, bytes.length - at), at);
      if (bytesRead === 0)
        throw new InputError(
          `cannot read ${file}: it shrank from ${stat.size} to ${at} bytes while being read`,
        );
      at += bytesRead;
    }
    return bytes;
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`cannot read ${file}: ${fileReason(error)}`, { cause: error });
  } finally {
    await handle?.close();
  }
}
