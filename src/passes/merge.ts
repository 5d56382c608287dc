import type { Sizes } from "../kernel";
import type { PlanLimits, PlannedDispatch, PlannedStep } from "../plan";
import { generate } from "../source";
import { bytesOf, bytesPerElement, sizeOf, type Tensor } from "../tensor";
import type { Segment } from "./memory";
import { ownerOf } from "./step";

/** Where the first part of a tensor's data lies; undefined for data in several parts. */
export type Locate = (owner: Tensor) => Segment | undefined;

const aligned = (bytes: number): number => Math.ceil(bytes / 256) * 256;
const isUpdate = ({ node, epilogue }: PlannedStep): boolean =>
  Object.keys(node.op.inPlace).length > 0 && node.op.elementwise !== undefined && epilogue.length === 0;

/**
 * Joins updates of variables that lie one behind the other, with their gradients and slots in the same order, into one
 * dispatch over all of them: a network has hundreds of parameters, most of them tiny. The gaps between tensors are
 * updated too; nobody reads them.
 */
export function mergeUpdates(
  steps: readonly PlannedStep[],
  locate: Locate,
  limits: PlanLimits,
): PlannedStep[] {
  const result: PlannedStep[] = [];
  for (let k = 0; k < steps.length; ) {
    const first = steps[k] as PlannedStep;
    const run = [first];
    while (isUpdate(first)) {
      const next = steps[k + run.length];
      if (next === undefined || !isUpdate(next) || !follows(run.at(-1) as PlannedStep, next, locate)) break;
      run.push(next);
    }
    result.push(run.length === 1 ? first : join(run, limits));
    k += run.length;
  }
  return result;
}

/** The operands that an update walks over element by element. */
const walked = (step: PlannedStep): [string, Tensor][] =>
  Object.entries(step.node.inputs).filter(([name]) => step.node.op.operandKinds[name] === "full");

function follows(a: PlannedStep, b: PlannedStep, locate: Locate): boolean {
  if (a.node.op !== b.node.op || JSON.stringify(a.node.attrs) !== JSON.stringify(b.node.attrs)) return false;
  const same = Object.entries(a.node.inputs).every(([name, t]) => {
    if (a.node.op.operandKinds[name] === "full") return true;
    return a.node.op.operandKinds[name] !== "channel" && b.node.inputs[name]?.id === t.id;
  });
  return (
    same &&
    walked(a).every(([name, t]) => {
      const other = b.node.inputs[name];
      const [here, there] = [locate(ownerOf(t)), other && locate(ownerOf(other))];
      return (
        here !== undefined &&
        there !== undefined &&
        other?.dtype === t.dtype &&
        here.buffer === there.buffer &&
        here.offset + aligned(bytesOf(t)) === there.offset
      );
    })
  );
}

function join(run: readonly PlannedStep[], limits: PlanLimits): PlannedStep {
  const first = run[0] as PlannedStep;
  // Tensors begin at multiples of 256 bytes, so the whole range is a multiple of four whatever its members are.
  const host = run.find(({ kernel }) => kernel.name === "vec4") ?? first;
  const program = generate({ ...first, kernel: host.kernel }, false);
  const names = new Set(walked(first).map(([name]) => name));
  const size = (step: PlannedStep) => sizeOf((walked(step)[0] as [string, Tensor])[1].shape);
  const perRow = 64;
  const total =
    run.slice(0, -1).reduce((sum, step) => sum + Math.ceil(size(step) / perRow) * perRow, 0) +
    Math.ceil(size(run.at(-1) as PlannedStep) / 4) * 4;
  const widest = Math.max(...walked(first).map(([, t]) => bytesPerElement(t.dtype)));
  const groupsFor = (sizes: Sizes) => host.kernel.groups(sizes, host.context);
  const many = 2 ** 20;
  const perGroup = many / groupsFor({ ...first.node.sizes, SIZE: many })[0];
  const most = Math.min(
    Math.floor(limits.maxStorageBufferBindingSize / widest),
    limits.maxComputeWorkgroupsPerDimension * perGroup,
  );
  const chunk = Math.floor(most / perRow) * perRow;
  const dispatches: PlannedDispatch[] = [];
  for (let begin = 0; begin < total; begin += chunk) {
    const count = Math.min(chunk, total - begin);
    const sizes = { ...first.node.sizes, SIZE: count, LAST: count, BASE: begin };
    dispatches.push({
      sizes,
      groups: groupsFor(sizes),
      slices: program.bindings.map(({ name, tensor }) => {
        const bytes = bytesPerElement(tensor.dtype);
        return names.has(name)
          ? { segment: 0, offset: begin * bytes, bytes: count * bytes }
          : { segment: 0, offset: 0, bytes: bytesOf(tensor) };
      }),
    });
  }
  return { ...first, kernel: host.kernel, program, dispatches, merged: run.slice(1).map(({ node }) => node) };
}
