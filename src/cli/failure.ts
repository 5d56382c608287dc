import { CommanderError } from "commander";
import { NoAdapterError } from "../errors";

/** A command that was called wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** The user stopped the command, which has saved what it had: exit code 130, without a message. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}

export const EXIT = { failure: 1, usage: 2, noAdapter: 3, interrupted: 130 } as const;

/** Tells of a failure in one line and gives the exit code. */
export function reportFailure(error: unknown, debug: boolean): number {
  if (error instanceof Interrupted) return EXIT.interrupted;
  if (error instanceof CommanderError) {
    // Help and version end through here, too, with code 0; their text is out already.
    if (error.exitCode === 0) return 0;
    if (error.code === "commander.help") return EXIT.usage;
    say(error.message.replace(/^error: /, ""));
    return EXIT.usage;
  }
  say(error instanceof Error ? error.message || error.name : String(error));
  if (debug && error instanceof Error) process.stderr.write(`${stackOf(error)}\n`);
  if (error instanceof UsageError) return EXIT.usage;
  return error instanceof NoAdapterError ? EXIT.noAdapter : EXIT.failure;
}

function say(message: string): void {
  process.stderr.write(`striate: ${message.replace(/\s*\n\s*/g, " ").trim()}\n`);
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
