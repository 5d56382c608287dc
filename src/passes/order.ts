import type { Tensor } from "../tensor";
import { ownerOf, readsOf, type SelectedStep, writesOf } from "./step";

/**
 * Orders steps. They come in the order in which their last nodes were declared, which for a network and its derivative
 * is close to the one with the fewest live bytes. Two things are left to do. A step fused of several nodes makes its
 * other outputs (a batch norm's statistics) later than those were declared, so their readers wait for it. And updates go
 * to the end: whoever reads a variable as it was before this run must run before its update, and updates of one kind that
 * stand together can be joined.
 */
export function order(steps: readonly SelectedStep[]): SelectedStep[] {
  const makers = new Map<number, SelectedStep>();
  const readers = new Map<number, SelectedStep[]>();
  for (const step of steps) {
    for (const t of writesOf(step)) if (t.node.kind === "op") makers.set(t.id, step);
    for (const t of readsOf(step)) {
      if (t.node.kind === "variable") readers.set(t.id, [...(readers.get(t.id) ?? []), step]);
    }
  }
  const placed = new Set<SelectedStep>();
  const isMade = (t: Tensor): boolean => {
    const maker = makers.get(t.id);
    return maker === undefined || placed.has(maker);
  };
  const isRead = (step: SelectedStep): boolean =>
    overwrittenBy(step).every((t) =>
      (readers.get(t.id) ?? []).every((other) => other === step || placed.has(other)),
    );
  /** Places what can be placed, again and again, and returns the rest. */
  const settle = (waiting: readonly SelectedStep[]): SelectedStep[] => {
    const rest = waiting.filter((step) => {
      if (!readsOf(step).every(isMade) || !isRead(step)) return true;
      placed.add(step);
      return false;
    });
    return rest.length < waiting.length ? settle(rest) : rest;
  };
  let unmade: SelectedStep[] = [];
  const updates: SelectedStep[] = [];
  for (const step of steps) {
    if (overwrittenBy(step).length > 0) updates.push(step);
    else unmade = settle([...unmade, step]);
  }
  const stuck = settle([...unmade, ...updates])[0];
  if (stuck !== undefined)
    throw new Error(`${stuck.node.op.name} (layer ${stuck.node.layer}) needs what is made after it`);
  return [...placed];
}

/** The variables that a step overwrites. */
const overwrittenBy = ({ node }: SelectedStep): Tensor[] =>
  Object.values(node.op.inPlace).map((name) => ownerOf(node.inputs[name] as Tensor));

/** One line a step. */
export const printOrder = (steps: readonly SelectedStep[]): string =>
  steps
    .map((step, k) => `${k}: ${step.node.op.name} reads ${ids(readsOf(step))} writes ${ids(writesOf(step))}`)
    .join("\n");

const ids = (tensors: readonly Tensor[]): string => tensors.map((t) => t.id).join(",");
