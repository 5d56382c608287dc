#!/usr/bin/env node
import { Command } from "commander";
import { addBench } from "./bench";
import { addClassify } from "./classify";
import { addDevices } from "./devices";
import { addEval } from "./eval";
import { reportFailure } from "./failure";
import { addGlobals } from "./globals";
import { addGradCam } from "./gradcam";
import { addPlan } from "./plan";
import { addSummary } from "./summary";
import { addTrain } from "./train";
import { addTune } from "./tune";

// A command is one line here and one file.
const commands = [
  addDevices,
  addSummary,
  addPlan,
  addBench,
  addTune,
  addTrain,
  addEval,
  addClassify,
  addGradCam,
];

// Whoever reads our output may go away (`| head`): there is nobody left to tell.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    throw error;
  });

const program = new Command("striate")
  .description("Train and run convolutional networks on any GPU that WebGPU reaches.")
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ outputError: () => undefined }) // reportFailure says it, in one line
  .showSuggestionAfterError(true)
  .exitOverride();
addGlobals(program);
// Subcommands take over the settings that stand above them.
for (const add of commands) add(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error, program.opts<{ debug?: boolean }>().debug === true);
}
