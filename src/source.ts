import type { Kernel, KernelContext, Sizes } from "./kernel";
import type { Elementwise } from "./op";
import type { DType, OpNode, Tensor } from "./tensor";
import { textureDeclaration } from "./textures";

/** A kernel applied to a node with everything that was fused behind its `store`. */
export interface KernelCall {
  readonly node: OpNode;
  readonly kernel: Kernel;
  /** Elementwise nodes applied to the fused output, in order. */
  readonly epilogue: readonly OpNode[];
  readonly context: KernelContext;
}

/** One binding of a tensor to a kernel: slot k of the shader is element k of the list. */
export interface Binding {
  readonly name: string;
  readonly tensor: Tensor;
  readonly access: Access;
}

/** How a kernel gets at a tensor: in its buffer, or in a texture that it is copied into. */
export type Access = "read" | "read_write" | "texture";

/** The complete WGSL of a call and what it binds. The text is the pipeline's identity. */
export interface Program {
  readonly label: string;
  readonly source: string;
  readonly bindings: readonly Binding[];
  /** The fields of the parameter block in order; empty when the source needs none. */
  readonly params: readonly Param[];
  /** A grid too wide for the adapter is laid out in rows and unfolded by the shader. */
  readonly folded: boolean;
}

export interface Param {
  readonly name: string;
  readonly type: "u32" | "f32";
  read(sizes: Sizes): number;
}

const wordPattern = /(?<![\w.])[A-Za-z_]\w*/g;

/** The output that an epilogue is fused behind: the first. */
export const mainOutput = (node: OpNode): string => Object.keys(node.op.outputs)[0] ?? "y";

/** The tensor that a call finally writes for its main output. */
export const finalTensor = (node: OpNode, epilogue: readonly OpNode[]): Tensor => {
  const last = epilogue.at(-1) ?? node;
  return last.outputs[mainOutput(last)] as Tensor;
};

/** Inputs of a fused node that are not the value flowing through it. */
export function epilogueOperands(epilogue: readonly OpNode[], index: number, through: Tensor) {
  const node = epilogue[index] as OpNode;
  return Object.entries(node.inputs)
    .filter(([, tensor]) => tensor.id !== through.id)
    .map(([input, tensor]) => ({
      input,
      tensor,
      name: `e${index}_${input}`,
      kind: node.op.operandKinds[input] ?? "array",
    }));
}

const wide: Readonly<Record<DType, string>> = { f32: "vec4f", f16: "vec4h", u32: "vec4u" };

/**
 * Generates the shader: element types, parameters, bindings, fused functions, `store`s, the body and the entry point.
 *
 * @param folded whether the grid is laid out in rows because it is too wide
 * @param accumulate whether several dispatches, one after the other, add up the outputs; the last applies the epilogue
 */
export function generate(call: KernelCall, folded: boolean, accumulate = false): Program {
  const { node, kernel, epilogue, context } = call;
  const main = mainOutput(node);
  const vec = typeof kernel.vec === "function" ? kernel.vec(node.op) : (kernel.vec ?? []);
  const isVec = (name: string) => vec.includes(name);
  const bindings: Binding[] = [];
  const declarations: string[] = [];
  const bind = (name: string, tensor: Tensor, access: Binding["access"], vec: boolean) => {
    if (access === "texture") {
      declarations.push(textureDeclaration(name, bindings.length));
      bindings.push({ name, tensor, access });
      return;
    }
    const type = vec ? wide[tensor.dtype] : tensor.dtype;
    declarations.push(
      `@group(0) @binding(${bindings.length}) var<storage, ${access}> ${name}: array<${type}>;`,
    );
    bindings.push({ name, tensor, access });
  };

  const outputs = Object.entries(node.outputs).map(([name, own]) => ({
    name,
    tensor: name === main ? finalTensor(node, epilogue) : own,
  }));
  const updated = new Set(Object.values(node.op.inPlace));
  for (const [name, tensor] of Object.entries(node.inputs)) {
    const read = kernel.textures?.includes(name) === true ? "texture" : "read";
    bind(name, tensor, updated.has(name) ? "read_write" : read, isVec(name));
  }
  for (const { name, tensor } of outputs) {
    if (node.op.inPlace[name] === undefined) bind(name, tensor, "read_write", isVec(name));
  }

  const sizes = new SizeNames(kernel.constants ?? []);
  for (const name of Object.keys(node.sizes)) {
    sizes.define(name, name, floatAttrs(node).has(name) ? "f32" : "u32", (s) => s[name] ?? 0);
  }
  for (const name of ["BASE", "GRID_X", "GRID_Y", "GRID_Z", "FOLD", "PART", "PARTS"]) {
    sizes.define(name, name, "u32", (s) => s[name] ?? 0);
  }

  const libraries = new Set<string>();
  if (node.op.elementwise?.lib !== undefined) libraries.add(node.op.elementwise.lib(isVec(main)));
  const stages: string[] = [];
  let flowing = node.outputs[main] as Tensor;
  epilogue.forEach((fused, k) => {
    const operands = epilogueOperands(epilogue, k, flowing);
    for (const { name, tensor, kind } of operands)
      bind(name, tensor, "read", isVec(main) && kind !== "scalar" && kind !== "array");
    const own: Record<string, string> = {};
    for (const attr of Object.keys(fused.sizes)) {
      if (!(attr in fused.op.attrs)) continue;
      const name = `e${k}_${attr}`;
      const value = fused.sizes[attr] ?? 0;
      sizes.define(name, name, floatAttrs(fused).has(attr) ? "f32" : "u32", () => value);
      own[attr] = name;
    }
    const elementwise = fused.op.elementwise as Elementwise;
    if (elementwise.lib !== undefined) libraries.add(elementwise.lib(isVec(main)));
    const through = Object.keys(fused.inputs).find((input) => fused.inputs[input]?.id === flowing.id) ?? "x";
    // Values get names that no size or attribute of the kernel's own op can have.
    for (const input of Object.keys(fused.inputs)) own[input] = `v_${input}`;
    const loads = Object.keys(fused.inputs).flatMap((input) => {
      if (input === through) return [];
      if (fused.inputs[input]?.id === flowing.id) return [`  let v_${input} = v_${through};`];
      const name = `e${k}_${input}`;
      const kind = fused.op.operandKinds[input] ?? "array";
      if (kind === "array") {
        own[input] = name;
        return [];
      }
      return [`  let v_${input} = ${loadExpression(name, kind)};`];
    });
    const rename = (text: string) => text.replace(wordPattern, (word) => own[word] ?? word);
    stages.push(
      `// ${fused.op.name}\nfn e${k}(v_${through}: T, i: u32, c: u32) -> T {\n${loads.join("\n")}\n${rename(elementwise.lets ?? "")}\n  return ${rename(elementwise.out[mainOutput(fused)] ?? through)};\n}`,
    );
    flowing = fused.outputs[mainOutput(fused)] as Tensor;
  });

  // `v_`: an op may have a tensor named v, as Adam has.
  const stores = outputs.map(({ name, tensor }) => {
    const vec = isVec(name);
    const value = tensor.dtype === "u32" ? (vec ? "vec4u" : "u32") : vec ? "vec4f" : "f32";
    const stored = vec ? wide[tensor.dtype] : tensor.dtype;
    const chain = (v: string) =>
      name === main ? epilogue.reduce((inner, _, k) => `e${k}(${inner}, i, c)`, v) : v;
    const head = `fn store_${name}(i: u32, c: u32, v_: ${value})`;
    if (!accumulate) return `${head} { ${name}[i] = ${stored}(${chain("v_")}); }`;
    return `${head} {
  var sum = v_;
  if (PART > 0u) { sum += ${value}(${name}[i]); }
  if (PART + 1u == PARTS) { sum = ${chain("sum")}; }
  ${name}[i] = ${stored}(sum);
}`;
  });

  const body = kernel.body(node.sizes, context);
  const [wx, wy, wz] = typeof kernel.workgroup === "function" ? kernel.workgroup(context) : kernel.workgroup;
  const entry = folded
    ? `  let at = wg.y * FOLD + wg.x;
  if (at >= GRID_X * GRID_Y * GRID_Z) { return; }
  let group = vec3u(at % GRID_X, at / GRID_X % GRID_Y, at / (GRID_X * GRID_Y));`
    : "  let group = wg;";
  const code = [
    `alias T = ${isVec(main) ? "vec4f" : "f32"};`,
    ...libraries,
    ...stages,
    ...stores,
    body,
    `@compute @workgroup_size(${wx}, ${wy}, ${wz})
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_id) local: vec3u) {
${entry}
  run(group * vec3u(${wx}, ${wy}, ${wz}) + local, group, local);
}`,
  ].join("\n");
  const resolved = sizes.resolve(code, node.sizes);
  const usesF16 = bindings.some(({ tensor }) => tensor.dtype === "f16");
  const block =
    resolved.params.length === 0
      ? []
      : [
          `struct Params { ${resolved.params.map((p) => `${p.name}: ${p.type}`).join(", ")} }`,
          `@group(0) @binding(${bindings.length}) var<uniform> params: Params;`,
        ];
  return {
    label: `${node.op.name}/${kernel.name}${epilogue.map((fused) => `+${fused.op.name}`).join("")}`,
    source: [
      ...(usesF16 ? ["enable f16;"] : []),
      ...(kernel.enables ?? []).map((feature) => `enable ${feature};`),
      ...resolved.constants,
      ...block,
      ...declarations,
      resolved.code,
    ].join("\n"),
    bindings,
    params: resolved.params,
    folded,
  };
}

/**
 * The shaders of one plan. A network repeats its blocks: calls that differ in nothing but their tensors share one text,
 * which is then generated once.
 */
export class Shaders {
  readonly #known = new Map<string, Program>();
  readonly #ids = new Map<object, number>();

  /** As `generate`. */
  generate(call: KernelCall, folded: boolean, accumulate = false): Program {
    const key = this.#key(call, folded, accumulate);
    const known = this.#known.get(key);
    if (known === undefined) {
      const made = generate(call, folded, accumulate);
      this.#known.set(key, made);
      return made;
    }
    const tensors = tensorsOf(call);
    const bindings = known.bindings.map((b) => ({ ...b, tensor: tensors.get(b.name) ?? b.tensor }));
    return { ...known, bindings };
  }

  /** Everything that a text depends on; kernels see the context of their adapter, which is the same for all. */
  #key({ node, kernel, epilogue, context }: KernelCall, folded: boolean, accumulate: boolean): string {
    let flowing = node.outputs[mainOutput(node)];
    const parts: unknown[] = [this.#id(kernel), folded, accumulate, context.usesChannel];
    for (const n of [node, ...epilogue]) {
      parts.push(this.#id(n.op), n.attrs, n.sizes);
      for (const t of Object.values(n.inputs)) parts.push(t.dtype, t.id === flowing?.id);
      for (const t of Object.values(n.outputs)) parts.push(t.dtype);
      flowing = n.outputs[mainOutput(n)];
    }
    return JSON.stringify(parts);
  }

  #id(object: object): number {
    const id = this.#ids.get(object) ?? this.#ids.size;
    this.#ids.set(object, id);
    return id;
  }
}

/** The tensors that a call binds, by the names of their bindings. */
function tensorsOf({ node, epilogue }: KernelCall): Map<string, Tensor> {
  const main = mainOutput(node);
  const found = new Map([...Object.entries(node.outputs), ...Object.entries(node.inputs)]);
  // What is updated in place is bound once, as the input.
  if (node.op.inPlace[main] === undefined) found.set(main, finalTensor(node, epilogue));
  let flowing = node.outputs[main] as Tensor;
  epilogue.forEach((fused, k) => {
    for (const { name, tensor } of epilogueOperands(epilogue, k, flowing)) found.set(name, tensor);
    flowing = fused.outputs[mainOutput(fused)] as Tensor;
  });
  return found;
}

/** WGSL that loads an elementwise operand of the given kind at `i` or `c`. */
export const loadExpression = (name: string, kind: "full" | "channel" | "scalar"): string =>
  kind === "full" ? `T(${name}[i])` : kind === "channel" ? `T(${name}[c])` : `T(f32(${name}[0]))`;

const floatAttrs = (node: OpNode): ReadonlySet<string> =>
  new Set(
    Object.entries(node.op.attrs)
      .filter(([, spec]) => typeof spec === "object" && spec.kind === "float")
      .map(([name]) => name),
  );

/** Turns bare size names of a source into constants or fields of the parameter block, only those that it mentions. */
class SizeNames {
  readonly #known = new Map<string, Param>();
  constructor(private readonly constants: readonly string[]) {}

  define(word: string, name: string, type: Param["type"], read: Param["read"]): void {
    this.#known.set(word, { name, type, read });
  }

  resolve(code: string, sizes: Sizes): { code: string; params: Param[]; constants: string[] } {
    const params = new Map<string, Param>();
    const constants = new Map<string, string>();
    const text = code.replace(wordPattern, (word) => {
      const param = this.#known.get(word);
      if (param === undefined) return word;
      if (this.constants.includes(word)) {
        constants.set(word, `const ${word} = ${param.read(sizes)}${param.type === "u32" ? "u" : "f"};`);
        return word;
      }
      params.set(word, param);
      return `params.${param.name}`;
    });
    return { code: text, params: [...params.values()], constants: [...constants.values()] };
  }
}
