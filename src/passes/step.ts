import type { Kernel, KernelContext } from "../kernel";
import { finalTensor, mainOutput } from "../source";
import { bytesOf, type OpNode, type Tensor } from "../tensor";

/** One dispatch to be: a node with the elementwise nodes fused behind its main output. */
export interface Step {
  readonly node: OpNode;
  readonly epilogue: readonly OpNode[];
}

/** Who chose a kernel: nobody but the rules, a measurement, or the caller. */
export type Origin = "heuristic" | "tuned" | "asked";

/** A step whose kernel is chosen. */
export interface SelectedStep extends Step {
  readonly kernel: Kernel;
  readonly context: KernelContext;
  readonly origin: Origin;
}

/** Follows views to the tensor that owns the data. */
export function ownerOf(tensor: Tensor): Tensor {
  let t = tensor;
  while (t.node.kind === "op" && t.node.op.view) t = Object.values(t.node.inputs)[0] as Tensor;
  return t;
}

/** The tensors that a step reads from memory, each once; what flows from the node into its epilogue is not among them. */
export function readsOf({ node, epilogue }: Step): Tensor[] {
  const inner = new Set([node, ...epilogue].flatMap((n) => Object.values(n.outputs).map((t) => t.id)));
  const owners = [node, ...epilogue].flatMap((n) => Object.values(n.inputs).map(ownerOf));
  return [...new Map(owners.filter((t) => !inner.has(t.id)).map((t) => [t.id, t])).values()];
}

/** The tensors that a step writes: updates in place are the tensors that they overwrite. */
export function writesOf({ node, epilogue }: Step): Tensor[] {
  const main = mainOutput(node);
  return Object.entries(node.outputs).map(([name, tensor]) => {
    const updated = node.op.inPlace[name];
    if (updated !== undefined) return ownerOf(node.inputs[updated] as Tensor);
    return name === main ? finalTensor(node, epilogue) : tensor;
  });
}

/** Bytes that a step must at least move: every tensor that it reads or writes, once. */
export const bytesMoved = (step: Step): number =>
  [...readsOf(step), ...writesOf(step)].reduce((sum, t) => sum + bytesOf(t), 0);

/** Floating-point operations of a step with all that is fused into it. */
export const flopsOf = ({ node, epilogue }: Step): number =>
  [node, ...epilogue].reduce((sum, n) => sum + n.op.flops(n.sizes), 0);
