import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The built command, for tests of what a person at a shell sees. */
export const command = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), "dist/cli.js");

export interface Ended {
  /** 130 for 130, and so on; null when a signal or the time limit ended it. */
  readonly code: number | null;
  readonly stdout: string;
  /** Lines of stderr without the graphics driver's own warnings, which no program can keep back. */
  readonly stderr: readonly string[];
}

export interface StartOptions {
  /** Called with each line of stdout as it comes. */
  readonly onLine?: (line: string, signal: (name: NodeJS.Signals) => void) => void;
  /** A command in front, such as a shell's that sets limits; it gets the rest as its arguments. */
  readonly through?: readonly string[];
}

/** Runs `striate` with these arguments on the tests' adapter, to its end or for a minute. */
export function striate(
  args: readonly string[],
  { onLine, through = [] }: StartOptions = {},
): Promise<Ended> {
  const adapter = process.env.STRIATE_DEVICE;
  const all = [process.execPath, command, ...(adapter === undefined ? [] : ["--device", adapter]), ...args];
  const [file = "", ...rest] = [...through, ...all];
  const child = spawn(file, rest, { stdio: ["ignore", "pipe", "pipe"], timeout: 60_000 });
  let stdout = "";
  let stderr = "";
  let told = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (let end = stdout.indexOf("\n", told); end >= 0; end = stdout.indexOf("\n", told)) {
      onLine?.(stdout.slice(told, end), (name) => child.kill(name));
      told = end + 1;
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Warning: "));
      resolve({ code, stdout, stderr: lines });
    });
  });
}

/** The objects of `--json` output: every line is one. */
export const objects = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
