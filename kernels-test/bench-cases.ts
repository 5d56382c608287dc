import type { OpCase } from "../src/bench/ops";
import { type Shape, sizeOf } from "../src/tensor";
import type { Spec } from "./spec";
import { declare, trialOf, typed } from "./trial";

/** Draws that runs take in turn: no run finds its own data in a cache. */
const draws = 3;

/** What `striate bench ops` times: of each op whose name matches its cases of realistic size, else its largest test. */
export function benchCases(specs: Readonly<Record<string, Spec>>, only = /^/): OpCase[] {
  return Object.entries(specs)
    .filter(([name]) => name.search(only) >= 0)
    .flatMap(([, spec]) =>
      (spec.bench.length > 0 ? spec.bench : [largest(spec)]).map((c) => opCase(spec, c)),
    );
}

function opCase(spec: Spec, case_: Spec["cases"][number]): OpCase {
  const node = declare(spec, case_);
  const drawn = new Map<number, Readonly<Record<string, Float32Array | Uint32Array>>>();
  return {
    why: case_.why,
    node,
    values(run) {
      const seed = 1 + (run % draws);
      let values = drawn.get(seed);
      if (values === undefined) {
        const trial = trialOf(spec, case_, seed);
        values = Object.fromEntries(
          Object.entries(trial.node.inputs).map(([name, t]) => [
            name,
            typed(trial.values[name] ?? new Float64Array(), t),
          ]),
        );
        drawn.set(seed, values);
      }
      return values;
    },
  };
}

function largest(spec: Spec): Spec["cases"][number] {
  const size = (case_: Spec["cases"][number]) =>
    Object.keys(spec.op.inputs).reduce((sum, name) => sum + sizeOf(case_[name] as Shape), 0);
  const [first, ...rest] = spec.cases;
  if (first === undefined) throw new Error(`${spec.op.name} has no case`);
  return rest.reduce((most, next) => (size(next) > size(most) ? next : most), first);
}
