import type { Command } from "commander";
import { formatBytes } from "../errors";
import { plan } from "../nn/compile";
import { crossEntropy } from "../nn/losses";
import { sgd } from "../nn/optimizers";
import { bytesMoved, flopsOf } from "../passes/step";
import { type Plan, pipelinesOf, worstStep } from "../plan";
import { withDevice } from "./device";
import { globalsOf } from "./globals";
import { addModelOptions, type ModelFlags, modelOf } from "./model-options";
import { whole } from "./numbers";
import { grouped, scaled, Terminal, table } from "./terminal";
import { addTuningCache, knownTuning, type TuningFlags } from "./tuning";

interface PlanFlags extends ModelFlags, TuningFlags {
  readonly train: boolean;
  readonly batchSize: number;
  readonly tuned: boolean;
}

export function addPlan(program: Command): void {
  const command = program
    .command("plan")
    .description(
      "the compiled plan, step by step: op, kernel and what chose it, grid, buffers, bytes, FLOPs, what was fused, memory",
    )
    .argument("<model>")
    .option("--train", "forward, backward and update instead of inference", false)
    .option("--batch-size <n>", "images a step", whole(1), 1)
    .option("--tuned", "with the kernels that `striate tune` found to be fastest", false)
    .action(async (name: string, flags: PlanFlags, self: Command) => {
      const globals = globalsOf(self);
      const terminal = new Terminal(globals);
      const model = modelOf(name, flags);
      const use = flags.train ? { loss: crossEntropy(), optimizer: sgd({ lr: 0.1, momentum: 0.9 }) } : {};
      await withDevice(globals, async (device) => {
        const tuning = flags.tuned ? await knownTuning(device, terminal, flags) : undefined;
        const made = plan(model, { batch: flags.batchSize, device, tuning, ...use });
        const pipelines = pipelinesOf(made);
        const steps = stepsOf(made);
        const flops = steps.reduce((sum, step) => sum + step.flops, 0);
        const { bytes } = made;
        const live = liveOf(made);
        terminal.object({
          model: name,
          train: flags.train,
          batch: flags.batchSize,
          adapter: device.adapter.name,
          flops,
          bytes,
          live,
          pipelines,
          steps,
        });
        terminal.result(
          table(
            ["layer", "phase", "op", "kernel", "chosen", "fused", "grid", "bindings", "bytes", "FLOPs"],
            steps.map((s) => [
              s.layer,
              s.phase,
              s.op,
              s.kernel,
              s.chosen,
              s.fused.join(" + "),
              s.grids.map((grid) => grid.join("×")).join(" "),
              s.buffers.length,
              formatBytes(s.bytes),
              scaled(s.flops),
            ]),
          ),
        );
        terminal.result(
          `${steps.length} steps, ${grouped(steps.reduce((sum, { grids }) => sum + grids.length, 0))} dispatches, ${pipelines} pipelines, ${scaled(flops)} FLOPs; ` +
            `peak memory ${formatBytes(bytes.total)}: activations ${formatBytes(bytes.activations)}, parameters ${formatBytes(bytes.parameters)}, ` +
            `statistics ${formatBytes(bytes.statistics)}, optimizer ${formatBytes(bytes.slots)}, inputs ${formatBytes(bytes.inputs)}, other ${formatBytes(bytes.constants + bytes.overhead)}\n` +
            `activations planned ${grouped(bytes.activations)} bytes, ${grouped(live.bytes)} must be live at the worst moment (${live.layer} ${live.phase} ${live.op}): ${live.ratio.toFixed(3)} times as much`,
        );
      });
    });
  addTuningCache(addModelOptions(command));
}

/** The activation bytes that no plan of this order could do without, and what was planned against them. */
function liveOf(made: Plan) {
  const node = worstStep(made)?.node;
  const bytes = made.memory.liveBytes;
  return {
    bytes,
    ratio: bytes === 0 ? 1 : made.bytes.activations / bytes,
    layer: node?.layer ?? "",
    phase: node?.phase ?? "",
    op: node?.op.name ?? "",
  };
}

const stepsOf = ({ steps }: Plan) =>
  steps.map((step) => ({
    layer: step.node.layer,
    phase: step.node.phase,
    op: step.node.op.name,
    kernel: step.program.label,
    chosen: step.origin,
    fused: step.epilogue.map(({ op }) => op.name),
    grids: step.dispatches.map(({ groups }) => groups),
    buffers: step.program.bindings.map(({ tensor, access }) => ({
      shape: tensor.shape,
      dtype: tensor.dtype,
      access,
    })),
    bytes: bytesMoved(step),
    flops: flopsOf(step),
  }));
