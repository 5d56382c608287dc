// Vitest runs this once before the tests: some of them start the built command, which must be that of the sources.
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuild } from "./setup/packages.mjs";

export function setup() {
  ensureBuild(dirname(dirname(fileURLToPath(import.meta.url))));
}
