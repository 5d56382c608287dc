import type { OpNode } from "../tensor";
import { ownerOf } from "./step";

/**
 * Replaces nodes that make an output which nothing reads, where their op names one that leaves it out: max pooling in
 * inference records no places.
 *
 * @param kept ids of tensors that are read from outside
 */
export function withoutUnread(nodes: readonly OpNode[], kept: ReadonlySet<number>): OpNode[] {
  const read = new Set(kept);
  for (const { inputs } of nodes) for (const t of Object.values(inputs)) read.add(t.id).add(ownerOf(t).id);
  return nodes.map((node) => {
    const outputs = Object.entries(node.outputs);
    for (const [name, { id }] of outputs) {
      const op = read.has(id) ? undefined : node.op.without[name]?.();
      if (op !== undefined)
        return { ...node, op, outputs: Object.fromEntries(outputs.filter(([other]) => other !== name)) };
    }
    return node;
  });
}
