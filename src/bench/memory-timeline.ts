import { ownerOf, readsOf, writesOf } from "../passes/step";
import type { Plan, PlanBytes } from "../plan";
import { bytesOf, type Phase } from "../tensor";

/** The memory that a step of a network holds from its beginning to its end. */
export interface MemoryTimeline {
  /** By purpose, as allocated before the first step: `activations` is what the planned buffers hold at any time. */
  readonly bytes: PlanBytes;
  /** Of each step of the plan, in order. */
  readonly steps: readonly {
    readonly layer: string;
    readonly phase: Phase;
    readonly op: string;
    /** Bytes of the values computed in this step of the network that are still, or just now, in use. */
    readonly live: number;
  }[];
}

/** Follows a plan and adds up, at each of its steps, the values that were computed and are still to be read. */
export function memoryTimeline({ steps, spec, bytes }: Plan): MemoryTimeline {
  const lives = new Map<number, { from: number; to: number; bytes: number }>();
  const kept = new Set(Object.values(spec.outputs).map((t) => ownerOf(t).id));
  for (const [at, step] of steps.entries()) {
    const merged = (step.merged ?? []).map((node) => ({ node, epilogue: [] }));
    const touched = [step, ...merged].flatMap((part) => [...readsOf(part), ...writesOf(part)]);
    for (const t of touched) {
      if (t.node.kind !== "op") continue;
      const known = lives.get(t.id);
      const to = kept.has(t.id) ? steps.length - 1 : at;
      if (known === undefined) lives.set(t.id, { from: at, to, bytes: bytesOf(t) });
      else known.to = Math.max(known.to, to);
    }
  }
  const changes = new Array<number>(steps.length + 1).fill(0);
  for (const { from, to, bytes: size } of lives.values()) {
    changes[from] = (changes[from] ?? 0) + size;
    changes[to + 1] = (changes[to + 1] ?? 0) - size;
  }
  let live = 0;
  return {
    bytes,
    steps: steps.map(({ node: { layer, phase, op } }, at) => {
      live += changes[at] ?? 0;
      return { layer, phase, op: op.name, live };
    }),
  };
}
