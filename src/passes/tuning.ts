import { isLowering } from "../kernel";
import { generate, mainOutput } from "../source";
import { formatShape, type Tensor } from "../tensor";
import { candidatesOf, contextOf, lower, type Target, type Tuned } from "./select";
import type { Step } from "./step";

/** The variant that was fastest when a step's candidates were measured. */
export interface TunedChoice {
  readonly kernel: string;
  /** Fingerprint of every candidate's source: a choice among other kernels than today's means nothing. */
  readonly sources: string;
}

/**
 * Kernels chosen by measuring, by `stepKey`. Valid for the adapter and the driver that they were measured on: other
 * kernels add up in another order, so results are the same bits only under the same adapter, driver, seed and tuning.
 */
export type Tuning = ReadonlyMap<string, TunedChoice>;

/** A tuning as the compiler asks for it. */
export interface Chooser {
  readonly tuned: Tuned;
  /** The choices that were asked for and hold. */
  readonly used: ReadonlyMap<string, TunedChoice>;
}

/**
 * What a step computes, as text: op, shapes, element types, attributes, and what is fused behind it. Steps with equal
 * keys are the same work for the same candidates, in whichever network they stand.
 */
export function stepKey({ node, epilogue }: Step): string {
  const attrs = Object.entries(node.attrs).map(([name, value]) => `${name}=${String(value)}`);
  let flowing = node.outputs[mainOutput(node)];
  const fused = epilogue.map((next) => {
    const operands = Object.entries(next.inputs).map(([name, t]) =>
      t.id === flowing?.id ? name : `${name} ${typeOf(t)}`,
    );
    flowing = next.outputs[mainOutput(next)];
    return ` + ${next.op.name}(${operands.join(", ")})`;
  });
  const inputs = Object.entries(node.inputs).map(([name, t]) => `${name} ${typeOf(t)}`);
  return `${node.op.name}(${[...inputs, ...attrs].join(", ")})${fused.join("")}`;
}

const typeOf = ({ dtype, shape }: Pick<Tensor, "dtype" | "shape">): string => `${dtype}${formatShape(shape)}`;

/**
 * Whether measuring may choose for a step. Elementwise ops are left out, for reading four values at a time is never
 * slower than one, and so are updates, which are merged over many variables after selection.
 */
export function isTunable(step: Step, target: Target): boolean {
  const { op } = step.node;
  if (op.elementwise !== undefined || Object.keys(op.inPlace).length > 0) return false;
  return candidatesOf(step, target).length > 1;
}

/** The steps of every lowering among a step's candidates, by the lowering's name. */
export function loweredSteps(step: Step, target: Target): Map<string, Step[]> {
  const context = contextOf(step, target);
  return new Map(
    candidatesOf(step, target)
      .filter(isLowering)
      .map((variant) => [variant.name, lower(step, variant, context)]),
  );
}

/** Fingerprint of the names and sources of a step's candidates, those of lowerings with all that they lower to. */
export const sourcesOf = (step: Step, target: Target): string =>
  fingerprint(textsOf(step, target).join("\n"));

function textsOf(step: Step, target: Target): string[] {
  const context = contextOf(step, target);
  const lowered = loweredSteps(step, target);
  return candidatesOf(step, target).flatMap((variant) =>
    isLowering(variant)
      ? [
          variant.name,
          ...(lowered.get(variant.name) ?? []).flatMap((s) => [stepKey(s), ...textsOf(s, target)]),
        ]
      : [variant.name, generate({ ...step, kernel: variant, context }, false).source],
  );
}

/** Looks choices up for the steps of a plan; those of other kernels than the present ones, or of none, do not count. */
export function chooserOf(tuning: Tuning, target: Target): Chooser {
  const used = new Map<string, TunedChoice>();
  const known = new Map<string, string | undefined>();
  const lookUp = (step: Step, key: string): string | undefined => {
    const choice = tuning.get(key);
    if (choice === undefined || !isTunable(step, target)) return undefined;
    if (!candidatesOf(step, target).some(({ name }) => name === choice.kernel)) return undefined;
    if (choice.sources !== sourcesOf(step, target)) return undefined;
    used.set(key, choice);
    return choice.kernel;
  };
  const tuned = (step: Step) => {
    if (tuning.size === 0) return undefined;
    const key = stepKey(step);
    if (!known.has(key)) known.set(key, lookUp(step, key));
    return known.get(key);
  };
  return { tuned, used };
}

/** 64 bits of FNV-1a, as two runs of 32 bits that begin differently. */
export function fingerprint(text: string): string {
  let [a, b] = [0x811c9dc5, 0x2d98f1a7];
  for (let k = 0; k < text.length; k++) {
    const code = text.charCodeAt(k);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x01000193) ^ (b >>> 15);
  }
  const hex = (word: number) => (word >>> 0).toString(16).padStart(8, "0");
  return hex(a) + hex(b);
}
