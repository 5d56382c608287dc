import { type Command, Option } from "commander";
import { whole } from "./numbers";
import type { GlobalOptions } from "./terminal";

/** The options that every command takes, before or after its name. */
export function addGlobals(program: Command): void {
  program
    .option("--device <name>", "part of an adapter's name, or its number in `striate devices`")
    .addOption(
      new Option("--limits <which>", "all that the adapter has, or what WebGPU guarantees everywhere")
        .choices(["adapter", "default"])
        .default("adapter"),
    )
    .option("--json", "one JSON object a line on stdout, nothing else there", false)
    .option("--quiet", "nothing on stderr but failures", false)
    .option("--seed <n>", "for everything that is random", whole(0), 0)
    .option("--debug", "show stack traces", false);
}

export function globalsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}
