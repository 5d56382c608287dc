import { writeFileAtomic } from "./atomic-file";
import { readInputFile } from "./read-file";
import { parseSafetensors, type Safetensors, type SafetensorsTensor, safetensorsChunks } from "./safetensors";

/**
 * Reads a safetensors file; its tensors are views of the one array that holds the file.
 *
 * @throws InputError as `readInputFile` and `parseSafetensors` do
 */
export async function readSafetensors(file: string): Promise<Safetensors> {
  return parseSafetensors(await readInputFile(file), file);
}

/** Writes a safetensors file atomically, tensor by tensor without a copy of the whole. Throws InputError. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, SafetensorsTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeFileAtomic(file, safetensorsChunks(tensors, metadata));
}
