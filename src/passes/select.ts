import { ancestors } from "../autodiff";
import { isLowering, type Kernel, type KernelContext, type KernelFamily, type Lowering } from "../kernel";
import { reshape } from "../ops/reshape";
import { finalTensor, mainOutput } from "../source";
import { bytesOf, type DType, inScope, type OpNode, type Tensor } from "../tensor";
import { mostTextureBytes, rejectsTextures } from "../textures";
import { type Origin, ownerOf, type SelectedStep, type Step } from "./step";

/** What the adapter offers: the part of a kernel's context that is the same for every node. */
export type Target = Pick<
  KernelContext,
  "adapterClass" | "limits" | "features" | "subgroupSize" | "matrixConfigs"
>;

/** Picks one of the variants that accept a node; undefined leaves the choice to measurements or the heuristic. */
export type Choose = (node: OpNode, accepted: readonly (Kernel | Lowering)[]) => string | undefined;

/** What has been measured to be fastest for a step, by the variant's name; undefined where nothing has. */
export type Tuned = (step: Step) => string | undefined;

/** No variant of an op serves a node, or none of the name asked for. */
export class SelectionError extends Error {
  override readonly name = "SelectionError";
}

export interface Selection {
  readonly choose?: Choose | undefined;
  readonly tuned?: Tuned | undefined;
}

/**
 * Chooses a kernel for every step: the one that `choose` asks for, else the one that was measured to be fastest, else
 * by heuristic. A variant that is a lowering is replaced by its ops.
 */
export function select(steps: readonly Step[], target: Target, how: Selection = {}): SelectedStep[] {
  return steps.flatMap((step) => selectStep(step, target, how, "heuristic"));
}

function selectStep(step: Step, target: Target, how: Selection, outer: Origin): SelectedStep[] {
  const { node, epilogue } = step;
  const context = contextOf(step, target);
  const { accepted, reasons } = acceptance(step, context);
  const asked = how.choose?.(node, accepted);
  const measured = asked === undefined ? how.tuned?.(step) : undefined;
  const fastest = accepted.find(({ name }) => name === measured);
  const variant =
    asked !== undefined
      ? accepted.find(({ name }) => name === asked)
      : (fastest ?? heuristic(accepted, step, context));
  if (variant === undefined) {
    throw new SelectionError(
      `${node.op.name}: no kernel${asked === undefined ? "" : ` named ${asked}`} accepts these sizes; ${reasons.join("; ") || "it has none"}`,
    );
  }
  const origin: Origin = asked !== undefined ? "asked" : fastest !== undefined ? "tuned" : outer;
  if (!isLowering(variant)) return [{ node, epilogue, kernel: variant, context, origin }];
  return lower(step, variant, context).flatMap((lowered) => selectStep(lowered, target, how, origin));
}

/** The variants that accept a step, in the op's order of preference, and why each of the others does not. */
function acceptance(step: Step, context: KernelContext) {
  const reasons: string[] = [];
  const accepted = step.node.op.kernels.filter((variant) => {
    const reason =
      refusal(variant, step.node, context) ??
      vecReason(variant, step, context) ??
      textureReason(variant, step.node);
    if (reason !== undefined) reasons.push(`${variant.name}: ${reason}`);
    return reason === undefined;
  });
  return { accepted, reasons };
}

/** The families that are made for an adapter: a GPU's matrix units come on top of what every GPU has. */
function belongs(family: KernelFamily | undefined, { adapterClass, matrixConfigs = [] }: Target): boolean {
  if (family === "matrix") return matrixConfigs.length > 0;
  return family === undefined || family === adapterClass;
}

/**
 * The variants among which measuring may choose for a step: those that accept it and are made for the adapter, in the
 * op's order of preference.
 */
export function candidatesOf(step: Step, target: Target): (Kernel | Lowering)[] {
  return acceptance(step, contextOf(step, target)).accepted.filter(({ family }) => belongs(family, target));
}

/**
 * What to take where nothing has been measured: the first in the op's order of preference that is made for the adapter,
 * accepts the sizes and suits them, else the first that accepts them.
 */
function heuristic(
  accepted: readonly (Kernel | Lowering)[],
  { node }: Step,
  context: KernelContext,
): Kernel | Lowering | undefined {
  const own = accepted.filter(({ family }) => belongs(family, context));
  const suitable = own.find((variant) => variant.suits?.(node.sizes, context) !== false);
  return suitable ?? own[0] ?? accepted[0];
}

/** The name of the variant that a step gets where nothing has been measured. */
export function heuristicOf(step: Step, target: Target): string | undefined {
  const context = contextOf(step, target);
  return heuristic(acceptance(step, context).accepted, step, context)?.name;
}

/** Replaces a step by the ops of a lowering; the last of them takes over the outputs and the epilogue. */
export function lower({ node, epilogue }: Step, variant: Lowering, context: KernelContext): Step[] {
  const results = inScope(node.layer, node.phase, () =>
    variant.lower(node.inputs, node.attrs, node.sizes, context),
  );
  const owners = new Map(Object.entries(results).map(([name, t]) => [ownerOf(t).id, name]));
  // What lies between the node's inputs and the results is the lowering's own.
  const given = new Set(Object.values(node.inputs).map((t) => t.node));
  const made = ancestors(Object.values(results), given).filter(
    (n): n is OpNode => n.kind === "op" && !n.op.view,
  );
  /** Results become the outputs of the node, also where the lowering reads them itself. */
  const renamed = ([name, t]: [string, Tensor]): [string, Tensor] => {
    const original = node.outputs[owners.get(ownerOf(t).id) ?? ""];
    if (original === undefined) return [name, t];
    return [name, ownerOf(t) === t ? original : reshape(original, t.shape)];
  };
  return made.map((n) => {
    const outputs = Object.fromEntries(Object.entries(n.outputs).map(renamed));
    const inputs = Object.fromEntries(Object.entries(n.inputs).map(renamed));
    const makesMain = outputs[mainOutput(n)]?.id === node.outputs[mainOutput(node)]?.id;
    return { node: { ...n, inputs, outputs }, epilogue: makesMain ? epilogue : [] };
  });
}

export function contextOf({ node, epilogue }: Step, target: Target): KernelContext {
  const dtypes: Record<string, DType> = {};
  for (const [name, t] of Object.entries({ ...node.inputs, ...node.outputs })) dtypes[name] = t.dtype;
  const usesChannel = [node, ...epilogue].some(
    ({ op }) => op.elementwise !== undefined && Object.values(op.operandKinds).includes("channel"),
  );
  return { ...target, dtypes, attrs: node.attrs, op: node.op, usesChannel };
}

/** Why a variant does not serve a node on this adapter, or undefined when it does. */
export function refusal(
  variant: Kernel | Lowering,
  node: OpNode,
  context: KernelContext,
): string | undefined {
  if (!isLowering(variant)) {
    // WGSL's extensions are named as WebGPU's features are, but for the hyphens.
    const missing = variant.enables?.find((feature) => !context.features.has(feature.replaceAll("_", "-")));
    if (missing !== undefined) return `the adapter has no feature ${missing}`;
    const textures = variant.textures ?? [];
    const wrong = textures.length === 0 ? undefined : rejectsTextures(context.subgroupSize);
    if (wrong !== undefined) return wrong;
  }
  return variant.rejects?.(node.sizes, context);
}

/** A kernel that stores four values at a time cannot have an operand by the last axis fused behind it unless 4 divides that. */
function vecReason(
  variant: Kernel | Lowering,
  { node, epilogue }: Step,
  { usesChannel }: KernelContext,
): string | undefined {
  if (isLowering(variant)) return undefined;
  const vec = typeof variant.vec === "function" ? variant.vec(node.op) : variant.vec;
  if (vec?.includes(mainOutput(node)) !== true || !usesChannel) return undefined;
  const last = finalTensor(node, epilogue).shape.at(-1) ?? 1;
  return last % 4 === 0 ? undefined : `the last axis is ${last}, not a multiple of 4`;
}

/** A texture holds f32 in fours, and only so many. */
function textureReason(variant: Kernel | Lowering, { inputs }: OpNode): string | undefined {
  if (isLowering(variant)) return undefined;
  for (const name of variant.textures ?? []) {
    const tensor = inputs[name];
    if (tensor === undefined) continue;
    if (tensor.dtype !== "f32") return `${name} is ${tensor.dtype}, and a texture holds f32`;
    if (bytesOf(tensor) > mostTextureBytes)
      return `${name} takes ${bytesOf(tensor)} bytes, and a texture holds ${mostTextureBytes}`;
    if (bytesOf(tensor) % 16 !== 0) return `${name} has ${bytesOf(tensor) / 4} values, not a multiple of 4`;
  }
  return undefined;
}
