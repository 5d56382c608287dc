import { ancestors } from "./autodiff";
import { formatBytes, LimitError } from "./errors";
import { fuse } from "./passes/fuse";
import { type MemoryPlan, type MemoryTensor, planMemory, type Segment } from "./passes/memory";
import { mergeUpdates } from "./passes/merge";
import { order } from "./passes/order";
import { type Choose, select, type Target } from "./passes/select";
import { ownerOf, readsOf, type SelectedStep, type Step, writesOf } from "./passes/step";
import { chooserOf, type Tuning } from "./passes/tuning";
import { withoutUnread } from "./passes/unread";
import { outerRowBytes, type Window, windows } from "./passes/window";
import { type Program, Shaders } from "./source";
import { layoutVariables, split } from "./state";
import {
  bytesOf,
  type ConstantNode,
  formatShape,
  type InputNode,
  type OpNode,
  type Tensor,
  type VariableNode,
} from "./tensor";
import { textureBytes } from "./textures";
import { uploadBuffers, uploadBytes } from "./uploads";

/** What a graph is to compute: named outputs, and updates of variables that have no other reader. */
export interface GraphSpec {
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** Any output of each node that updates variables in place. */
  readonly updates?: readonly Tensor[];
}

export interface PlanLimits {
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly minStorageBufferOffsetAlignment: number;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupStorageSize: number;
}

/** The limits that a plan depends on, as own properties: a device's limits are getters. */
export const planLimits = (limits: PlanLimits): PlanLimits => ({
  maxBufferSize: limits.maxBufferSize,
  maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
  minStorageBufferOffsetAlignment: limits.minStorageBufferOffsetAlignment,
  maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
  maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
  maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
  maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
});

export interface PlanOptions {
  /** Which variant to take for a node, whatever else is known. */
  readonly choose?: Choose | undefined;
  /** Kernels chosen by measuring on the device that the plan is for (`tune`); rules choose where there is none. */
  readonly tuning?: Tuning | undefined;
  /** Whether to fuse; on unless a test wants every op by itself. */
  readonly fuse?: boolean | undefined;
  /** Bytes bound behind every tensor that is not a variable, so that a test can see who reads or writes past an end. */
  readonly guard?: number | undefined;
  /** Where variables lie that exist already; the others are laid out as a new state would. */
  readonly variablePlaces?: ((node: VariableNode) => readonly Segment[] | undefined) | undefined;
}

/** A step with its shader and the dispatches that it takes. */
export interface PlannedStep extends SelectedStep {
  readonly program: Program;
  readonly dispatches: readonly PlannedDispatch[];
  /** Further nodes that the dispatches do as well, each the same op on data that lies behind the former's. */
  readonly merged?: readonly OpNode[];
}

export interface PlannedDispatch extends Window {
  readonly groups: readonly [number, number, number];
}

/** Bytes that a compiled graph holds on the device, by purpose. */
export interface PlanBytes {
  /** Values that live within a step. */
  readonly activations: number;
  readonly inputs: number;
  readonly constants: number;
  readonly parameters: number;
  readonly statistics: number;
  readonly slots: number;
  /** Parameter blocks of the dispatches, textures, and buffers to read results back. */
  readonly overhead: number;
  readonly total: number;
}

/** A compiled graph before it touches a device: what runs, in which order, with which kernel, where in memory. */
export interface Plan {
  readonly spec: GraphSpec;
  readonly steps: readonly PlannedStep[];
  readonly memory: MemoryPlan;
  readonly inputs: readonly InputNode[];
  readonly variables: readonly VariableNode[];
  readonly constants: readonly ConstantNode[];
  /** Bytes that each texture must hold: a step's first input that is read from a texture lies in the first, and so on. */
  readonly textures: readonly number[];
  readonly bytes: PlanBytes;
  readonly guard: number;
  /** The measured choices that it was made with: what a later plan needs to be the same. */
  readonly tuned: Tuning;
}

/** The step at which most activation bytes must be live: `memory.liveBytes`. Undefined for a plan without steps. */
export function worstStep({ steps, memory }: Plan): PlannedStep | undefined {
  // Memory is planned before updates are merged.
  let end = 0;
  return steps.find(({ merged = [] }) => {
    end += 1 + merged.length;
    return memory.worst < end;
  });
}

/** Buffers are made in multiples of this. */
export const allocated = (bytes: number): number => Math.max(16, Math.ceil(bytes / 16) * 16);
const aligned = (bytes: number): number => Math.ceil(bytes / 256) * 256;
/** Results on their way to the host while the next step runs. */
export const readBackBuffers = 2;

/** Parts of a tensor's data, in bytes: planned tensors as memory placed them, the others as their buffers allow. */
export function partsOf(t: Tensor, memory: MemoryPlan, limits: PlanLimits): readonly number[] {
  const owner = ownerOf(t);
  const placed = memory.placement.get(owner.id);
  if (owner.node.kind === "op" && placed !== undefined) return placed.map(({ bytes }) => bytes);
  return owner.node.kind === "variable" ? split(owner, limits.maxBufferSize) : [bytesOf(owner)];
}

const nodesOf = ({ outputs, updates = [] }: GraphSpec) => ancestors([...Object.values(outputs), ...updates]);

/** The steps of a graph before kernels are chosen for them. */
export function fusedSteps(
  spec: GraphSpec,
  { maxStorageBuffersPerShaderStage }: Pick<PlanLimits, "maxStorageBuffersPerShaderStage">,
  isFusing = true,
): Step[] {
  const kept = new Set(Object.values(spec.outputs).flatMap((t) => [t.id, ownerOf(t).id]));
  const ops = withoutUnread(
    nodesOf(spec).filter((n): n is OpNode => n.kind === "op"),
    kept,
  );
  if (!isFusing) return ops.filter(({ op }) => !op.view).map((node) => ({ node, epilogue: [] }));
  return fuse(ops, kept, maxStorageBuffersPerShaderStage);
}

/** Compiles a graph: fuse, select kernels, order, plan memory, cut into windows. A pure function of its arguments. */
export function planGraph(
  spec: GraphSpec,
  target: Target,
  limits: PlanLimits,
  options: PlanOptions = {},
): Plan {
  const { guard = 0 } = options;
  const outputs = Object.values(spec.outputs);
  const nodes = nodesOf(spec);
  const chooser = chooserOf(options.tuning ?? new Map(), target);
  const fused = fusedSteps(spec, limits, options.fuse);
  const steps = order(select(fused, target, { choose: options.choose, tuned: chooser.tuned }));

  const isPlanned = (t: Tensor) => t.node.kind === "op";
  const tensors = new Map<number, MemoryTensor>();
  const uses = steps.map((step) => {
    const reads = readsOf(step).filter(isPlanned);
    const writes = writesOf(step).filter(isPlanned);
    for (const t of [...reads, ...writes]) {
      tensors.set(t.id, { id: t.id, bytes: aligned(bytesOf(t) + guard), rowBytes: outerRowBytes(t) });
    }
    return { reads: reads.map((t) => t.id), writes: writes.map((t) => t.id) };
  });
  const memory = planMemory(
    [...tensors.values()],
    uses,
    { maxBufferBytes: limits.maxBufferSize, align: 256 },
    {
      // An output may also be an input, a variable or a constant, which has a place of its own.
      keepAlive: new Set(
        outputs
          .map((t) => ownerOf(t))
          .filter(isPlanned)
          .map((t) => t.id),
      ),
      adjacent: gradientGroups(steps),
    },
  );

  const inputs = nodes.filter((n): n is InputNode => n.kind === "input");
  const variables = nodes.filter((n): n is VariableNode => n.kind === "variable");
  const constants = nodes.filter((n): n is ConstantNode => n.kind === "constant");
  for (const { outputs: own, ...node } of [...inputs, ...constants]) {
    const bytes = bytesOf(own.y) + guard;
    if (bytes > limits.maxBufferSize) {
      const what = node.kind === "input" ? `input ${node.name}` : "a constant";
      throw new LimitError(
        `${what} ${formatShape(own.y.shape)} needs ${formatBytes(bytes)} and a buffer of the adapter holds ${formatBytes(limits.maxBufferSize)}; use a smaller batch or input`,
        bytes,
        limits.maxBufferSize,
      );
    }
  }
  const layout = layoutVariables(variables, limits.maxBufferSize).places;
  const locate = (t: Tensor): Segment | undefined => {
    const { node } = t;
    const places =
      node.kind === "variable"
        ? (options.variablePlaces?.(node) ?? layout.get(node.name))
        : memory.placement.get(t.id);
    return places?.length === 1 ? places[0] : undefined;
  };
  const shaders = new Shaders();
  const single = steps.map((step) => planStep(step, memory, limits, shaders));
  const planned = options.fuse === false || guard > 0 ? single : mergeUpdates(single, locate, limits);
  const textures = texturesFor(planned);
  return {
    spec,
    steps: planned,
    memory,
    inputs,
    variables,
    constants,
    textures,
    bytes: countBytes(planned, memory, { inputs, variables, constants, textures, guard }, outputs),
    guard,
    tuned: chooser.used,
  };
}

/** Distinct pipelines of a plan: what must be compiled before its first run. */
export const pipelinesOf = ({ steps }: Pick<Plan, "steps">): number =>
  new Set(steps.map(({ program }) => program.source)).size;

/** Gradients that updates of one kind read, in the order of the updates: side by side, one dispatch can apply them. */
function gradientGroups(steps: readonly SelectedStep[]): number[][] {
  const groups = new Map<string, number[]>();
  for (const { node } of steps) {
    if (Object.keys(node.op.inPlace).length === 0 || node.op.elementwise === undefined) continue;
    const overwritten = new Set(Object.values(node.op.inPlace));
    for (const [name, t] of Object.entries(node.inputs)) {
      const owner = ownerOf(t);
      if (overwritten.has(name) || node.op.operandKinds[name] !== "full" || owner.node.kind !== "op")
        continue;
      const key = `${node.op.name} ${name} ${JSON.stringify(node.attrs)}`;
      const group = groups.get(key) ?? [];
      if (!group.includes(owner.id)) group.push(owner.id);
      groups.set(key, group);
    }
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

function planStep(step: SelectedStep, memory: MemoryPlan, limits: PlanLimits, shaders: Shaders): PlannedStep {
  const most = limits.maxComputeWorkgroupsPerDimension;
  const whole = step.kernel.groups(step.node.sizes, step.context);
  const folded = whole.some((n) => n > most);
  const whole_ = shaders.generate(step, folded);
  const cut = windows(step, whole_, (t) => partsOf(t, memory, limits), limits);
  const program = cut.some(({ sizes }) => sizes.PARTS !== undefined)
    ? shaders.generate(step, folded, true)
    : whole_;
  const dispatches = cut.map((window): PlannedDispatch => {
    const [x, y, z] =
      window.sizes === step.node.sizes ? whole : step.kernel.groups(window.sizes, step.context);
    if (!folded) return { ...window, groups: [x, y, z] };
    const count = x * y * z;
    const rows = Math.ceil(count / most);
    const width = Math.ceil(count / rows);
    const sizes = { ...window.sizes, GRID_X: x, GRID_Y: y, GRID_Z: z, FOLD: width };
    return { ...window, sizes, groups: [width, rows, 1] };
  });
  return { ...step, program, dispatches };
}

/** Bindings of a program that are textures, by their places in the list of bindings. */
export const textureBindings = ({ bindings }: Program): number[] =>
  bindings.flatMap(({ access }, k) => (access === "texture" ? [k] : []));

/** The largest of what the steps put into each texture. */
function texturesFor(steps: readonly PlannedStep[]): number[] {
  const sizes: number[] = [];
  for (const { program, dispatches } of steps)
    for (const [slot, binding] of textureBindings(program).entries())
      for (const { slices } of dispatches)
        sizes[slot] = Math.max(sizes[slot] ?? 0, slices[binding]?.bytes ?? 0);
  return sizes;
}

function countBytes(
  steps: readonly PlannedStep[],
  memory: MemoryPlan,
  {
    inputs,
    variables,
    constants,
    textures,
    guard,
  }: Pick<Plan, "inputs" | "variables" | "constants" | "textures" | "guard">,
  outputs: readonly Tensor[],
): PlanBytes {
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const role = (name: VariableNode["role"]) =>
    sum(variables.filter((v) => v.role === name).map((v) => aligned(bytesOf(v.outputs.y))));
  const blocks = parameterBlocks(steps);
  const parts = {
    activations: sum(memory.buffers.map(allocated)),
    inputs: sum(inputs.map((n) => allocated(bytesOf(n.outputs.y) + guard))),
    constants: sum(constants.map((n) => allocated(bytesOf(n.outputs.y)))),
    parameters: role("parameter"),
    statistics: role("statistic"),
    slots: role("slot"),
    overhead:
      (blocks.bytes === 0 ? 0 : allocated(blocks.bytes)) +
      sum(textures.map(textureBytes)) +
      readBackBuffers * allocated(sum(outputs.map((t) => aligned(bytesOf(t))))) +
      (uploadBytes(inputs) === 0 ? 0 : uploadBuffers * allocated(uploadBytes(inputs))),
  };
  return { ...parts, total: sum(Object.values(parts)) };
}

/** The parameter blocks of all dispatches in one buffer, equal blocks once. */
export function parameterBlocks(steps: readonly PlannedStep[]) {
  const known = new Map<string, number>();
  const blocks: { readonly offset: number; readonly data: ArrayBuffer }[] = [];
  let bytes = 0;
  const offsets = steps.map(({ program, dispatches }) =>
    dispatches.map(({ sizes }) => {
      if (program.params.length === 0) return undefined;
      const data = new ArrayBuffer(Math.ceil(program.params.length / 4) * 16);
      const view = new DataView(data);
      program.params.forEach(({ type, read }, k) => {
        if (type === "f32") view.setFloat32(4 * k, read(sizes), true);
        else view.setUint32(4 * k, read(sizes), true);
      });
      const key = new Uint32Array(data).join();
      let offset = known.get(key);
      if (offset === undefined) {
        offset = bytes;
        known.set(key, offset);
        blocks.push({ offset, data });
        bytes += aligned(data.byteLength);
      }
      return { offset, bytes: data.byteLength };
    }),
  );
  return { bytes, blocks, offsets };
}
