import { finalTensor, mainOutput } from "../source";
import { formatShape, type OpNode, type Tensor } from "../tensor";
import { ownerOf, type Step } from "./step";

/**
 * Puts elementwise nodes behind the `store` of the node that makes their operand, where nobody else reads the value in
 * between: the value then never goes through memory. Views and nodes that update in place stay as they are.
 *
 * @param nodes in a valid order
 * @param kept ids of tensors that must exist in memory, such as outputs
 * @param maxBuffers storage buffers that one shader may bind
 */
export function fuse(nodes: readonly OpNode[], kept: ReadonlySet<number>, maxBuffers: number): Step[] {
  const readers = new Map<number, Set<OpNode>>();
  for (const node of nodes) {
    for (const t of Object.values(node.inputs)) {
      for (const id of new Set([t.id, ownerOf(t).id])) {
        const known = readers.get(id);
        if (known === undefined) readers.set(id, new Set([node]));
        else known.add(node);
      }
    }
  }
  // The step whose final tensor has this id, while nothing has been fused behind it yet.
  const open = new Map<number, Step>();
  const steps = new Set<Step>();
  const stepOf = new Map<OpNode, Step>();
  for (const node of nodes) {
    if (node.op.view) continue;
    const isPrivate = (t: Tensor) => readers.get(t.id)?.size === 1 && !kept.has(t.id);
    const host = hostOf(node, { open, stepOf, isPrivate, maxBuffers });
    const step: Step =
      host === undefined ? { node, epilogue: [] } : { node: host.node, epilogue: [...host.epilogue, node] };
    if (host !== undefined) {
      steps.delete(host);
      open.delete(finalTensor(host.node, host.epilogue).id);
    }
    // A fused step stands where its last node stood: by then everything that it reads has been made.
    steps.add(step);
    for (const n of [step.node, ...step.epilogue]) stepOf.set(n, step);
    if (Object.keys(node.op.inPlace).length === 0) open.set(finalTensor(step.node, step.epilogue).id, step);
  }
  return [...steps];
}

interface Situation {
  readonly open: ReadonlyMap<number, Step>;
  readonly stepOf: ReadonlyMap<OpNode, Step>;
  readonly isPrivate: (t: Tensor) => boolean;
  readonly maxBuffers: number;
}

function hostOf(node: OpNode, { open, stepOf, isPrivate, maxBuffers }: Situation): Step | undefined {
  const { elementwise, outputs, inPlace, operandKinds } = node.op;
  if (elementwise === undefined || Object.keys(outputs).length !== 1 || Object.keys(inPlace).length > 0)
    return undefined;
  const output = node.outputs[mainOutput(node)] as Tensor;
  const hosts = Object.entries(node.inputs).flatMap(([name, t]) => {
    const step = open.get(t.id);
    const sameShape = formatShape(t.shape) === formatShape(output.shape) && t.dtype === output.dtype;
    return step !== undefined && operandKinds[name] === "full" && sameShape && isPrivate(t) ? [step] : [];
  });
  // The latest producer: the other operands then exist before it runs, and lifetimes stay short.
  const host = hosts.sort((a, b) => b.node.id - a.node.id)[0];
  if (host === undefined) return undefined;
  const operands = Object.keys(node.inputs).length - 1;
  if (buffersOf(host) + operands > maxBuffers || dependsOn(node, host, stepOf)) return undefined;
  return host;
}

/**
 * Whether an operand of the node, other than the value to be fused, comes from another output of the host (a batch
 * norm's statistics): the fused step would then have to run before itself.
 */
function dependsOn(node: OpNode, host: Step, stepOf: ReadonlyMap<OpNode, Step>): boolean {
  const fused = finalTensor(host.node, host.epilogue).id;
  const seen = new Set<OpNode>();
  const stack = Object.values(node.inputs).flatMap((t) => (t.id === fused ? [] : [t.node]));
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (next.kind !== "op" || seen.has(next)) continue;
    seen.add(next);
    const step = stepOf.get(next);
    if (step === host) return true;
    const members = step === undefined ? [next] : [step.node, ...step.epilogue];
    // What was all declared before the host cannot depend on it.
    if (members.every(({ id }) => id < host.node.id)) continue;
    for (const member of members) for (const t of Object.values(member.inputs)) stack.push(t.node);
  }
  return false;
}

const buffersOf = ({ node, epilogue }: Step): number =>
  Object.keys(node.inputs).length +
  Object.keys(node.outputs).length +
  epilogue.reduce((sum, e) => sum + Object.keys(e.inputs).length - 1, 0);

/** One line a fusion. */
export const printFusions = (steps: readonly Step[]): string =>
  steps
    .filter(({ epilogue }) => epilogue.length > 0)
    .map(
      ({ node, epilogue }) =>
        `${node.layer || "-"}: ${[node, ...epilogue].map((n) => n.op.name).join(" + ")}`,
    )
    .join("\n");
