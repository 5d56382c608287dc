import { add } from "./ops/add";
import { constant, formatShape, inScope, type Node, type OpNode, ShapeError, type Tensor } from "./tensor";

/**
 * Every node that the tensors depend on, in the order of creation: a valid order to run them in. What is made by the
 * nodes of `given` is taken for granted, and so is all that those depend on.
 */
export function ancestors(roots: readonly Tensor[], given: ReadonlySet<Node> = new Set()): Node[] {
  const seen = new Set<Node>();
  const stack = roots.map((t) => t.node);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node) || given.has(node)) continue;
    seen.add(node);
    if (node.kind === "op") for (const t of Object.values(node.inputs)) stack.push(t.node);
  }
  return [...seen].sort((a, b) => a.id - b.id);
}

/**
 * Gradients of a scalar with respect to tensors, by reverse accumulation: new nodes of the same graph, in the phase
 * `backward` and in the layer of the node that they belong to. A tensor that the scalar does not depend on has none.
 *
 * @param loss a scalar, shape `[]`
 * @param seed the gradient of `loss` itself; 1 if not given
 * @throws ShapeError when `loss` is no scalar or a node on the way has no gradient
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[], seed?: Tensor): (Tensor | undefined)[] {
  if (loss.shape.length !== 0 && seed === undefined) {
    throw new ShapeError(`gradients: the loss has shape ${formatShape(loss.shape)}, expected a scalar []`);
  }
  const nodes = ancestors([loss]);
  const wanted = new Set(wrt.map((t) => t.id));
  // Only nodes between a wanted tensor and the loss take part; frozen branches get no gradient nodes.
  const needs = new Set<number>();
  for (const node of nodes) {
    const reached = node.kind === "op" && Object.values(node.inputs).some((t) => needs.has(t.id));
    for (const t of Object.values<Tensor>(node.outputs)) if (reached || wanted.has(t.id)) needs.add(t.id);
  }
  const gradientOf = new Map<number, Tensor>();
  const accumulate = (t: Tensor, gradient: Tensor) => {
    const earlier = gradientOf.get(t.id);
    gradientOf.set(t.id, earlier === undefined ? gradient : add({ a: earlier, b: gradient }).y);
  };
  accumulate(loss, seed ?? constant(new Float32Array([1]), []));
  for (const node of nodes.reverse()) {
    if (node.kind !== "op") continue;
    if (!Object.values(node.inputs).some((t) => needs.has(t.id))) continue;
    const given = outputGradients(node, gradientOf);
    if (given === undefined) continue;
    inScope(node.layer, "backward", () => {
      if (!node.op.differentiable) throw new ShapeError(`${node.op.name}: the op has no gradient`);
      const found = node.op.grad(node, given);
      for (const [name, tensor] of Object.entries(node.inputs)) {
        const gradient = found[name];
        if (gradient === undefined || !needs.has(tensor.id)) continue;
        if (formatShape(gradient.shape) !== formatShape(tensor.shape)) {
          throw new ShapeError(
            `${node.op.name}: the gradient of ${name} has shape ${formatShape(gradient.shape)}, expected ${formatShape(tensor.shape)}`,
          );
        }
        accumulate(tensor, gradient);
      }
    });
  }
  return wrt.map((t) => gradientOf.get(t.id));
}

function outputGradients(
  node: OpNode,
  gradientOf: ReadonlyMap<number, Tensor>,
): Record<string, Tensor> | undefined {
  const given: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(node.outputs)) {
    const gradient = gradientOf.get(tensor.id);
    if (gradient !== undefined) given[name] = gradient;
  }
  return Object.keys(given).length === 0 ? undefined : given;
}
