import { ancestors } from "../autodiff";
import { isLowering, type Kernel, type KernelContext, type Lowering } from "../kernel";
import { finalTensor, mainOutput } from "../source";
import { type DType, inScope, type OpNode, type Tensor } from "../tensor";
import { ownerOf, type SelectedStep, type Step } from "./step";

/** What the adapter offers: the part of a kernel's context that is the same for every node. */
export type Target = Pick<KernelContext, "adapterClass" | "limits" | "features" | "subgroupSize">;

/** Picks one of the variants that accept a node; undefined leaves the choice to the order of preference. */
export type Choose = (node: OpNode, accepted: readonly (Kernel | Lowering)[]) => string | undefined;

/** No variant of an op serves a node, or none of the name asked for. */
export class SelectionError extends Error {
  override readonly name = "SelectionError";
}

/**
 * Chooses a kernel for every step: the first in the op's order of preference that belongs to the adapter's class and
 * accepts the sizes, else the first that accepts them. A variant that is a lowering is replaced by its ops.
 */
export function select(steps: readonly Step[], target: Target, choose?: Choose): SelectedStep[] {
  return steps.flatMap((step) => selectStep(step, target, choose));
}

function selectStep(step: Step, target: Target, choose: Choose | undefined): SelectedStep[] {
  const { node, epilogue } = step;
  const context = contextOf(step, target);
  const reasons: string[] = [];
  const accepted = node.op.kernels.filter((variant) => {
    const reason = refusal(variant, node, context) ?? vecReason(variant, step, context);
    if (reason !== undefined) reasons.push(`${variant.name}: ${reason}`);
    return reason === undefined;
  });
  const name = choose?.(node, accepted);
  const variant =
    name !== undefined
      ? accepted.find((v) => v.name === name)
      : (accepted.find(({ family }) => family === undefined || family === target.adapterClass) ??
        accepted[0]);
  if (variant === undefined) {
    throw new SelectionError(
      `${node.op.name}: no kernel${name === undefined ? "" : ` named ${name}`} accepts these sizes; ${reasons.join("; ") || "it has none"}`,
    );
  }
  if (!isLowering(variant)) return [{ node, epilogue, kernel: variant, context }];
  return lower(step, variant, context).flatMap((lowered) => selectStep(lowered, target, choose));
}

/** Replaces a step by the ops of a lowering; the last of them takes over the outputs and the epilogue. */
function lower({ node, epilogue }: Step, variant: Lowering, context: KernelContext): Step[] {
  const results = inScope(node.layer, node.phase, () =>
    variant.lower(node.inputs, node.attrs, node.sizes, context),
  );
  const owners = new Map(Object.entries(results).map(([name, t]) => [ownerOf(t).id, name]));
  // What lies between the node's inputs and the results is the lowering's own.
  const inputs = new Set(Object.values(node.inputs).map((t) => t.node));
  const made = ancestors(Object.values(results), inputs).filter(
    (n): n is OpNode => n.kind === "op" && !n.op.view,
  );
  return made.map((n) => {
    const outputs = Object.fromEntries(
      Object.entries(n.outputs).map(([name, t]): [string, Tensor] => {
        const original = owners.get(t.id);
        return [name, original === undefined ? t : (node.outputs[original] as Tensor)];
      }),
    );
    const makesMain = outputs[mainOutput(n)]?.id === node.outputs[mainOutput(node)]?.id;
    return { node: { ...n, outputs }, epilogue: makesMain ? epilogue : [] };
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
  const missing = isLowering(variant)
    ? undefined
    : variant.enables?.find((feature) => !context.features.has(feature));
  return missing === undefined
    ? variant.rejects?.(node.sizes, context)
    : `the adapter has no feature ${missing}`;
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
