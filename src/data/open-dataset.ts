import { readdir, stat } from "node:fs/promises";
import { InputError } from "../io/errors";
import { fileReason } from "../io/file-reason";
import type { Dataset } from "./dataset";
import { loadDigits } from "./digits";
import { findIdxFiles, readIdxFolder } from "./idx";
import { type ImageFolderOptions, openImageFolder } from "./image-folder";

export interface OpenDatasetOptions extends ImageFolderOptions {
  /** For IDX files: labels must be below it. Default 10. */
  readonly classes?: number | undefined;
}

/**
 * Opens a data set by looking at what is there: the word "digits" (the set that comes with the package), a folder
 * with MNIST's IDX files, or a folder with train/CLASS/ and val/CLASS/ images.
 *
 * @throws InputError that lists what was looked for, or what is wrong with what was found
 * @example const data = await openDataset("digits");
 */
export async function openDataset(source: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  if (source === "digits") return loadDigits();
  let names: string[];
  try {
    if (!(await stat(source)).isDirectory())
      throw new InputError(
        `cannot open data set ${source}: it is a file; give the folder that holds the data`,
      );
    names = await readdir(source);
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(
      `cannot open data set ${source}: ${fileReason(error)} (the word "digits" names the built-in set)`,
      { cause: error },
    );
  }
  if (Object.keys(findIdxFiles(names)).length > 0) return readIdxFolder(source, options);
  if (names.includes("train")) return openImageFolder(source, options);
  throw new InputError(
    `cannot open data set ${source}: found neither IDX files (train-images-idx3-ubyte[.gz] and its three companions) ` +
      `nor train/CLASS/ folders with images`,
  );
}
