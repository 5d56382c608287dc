import { matmulKernels, matmulNTKernels, matmulTNKernels } from "../../shaders/matmul";
import type { KernelContext, Lowering, Sizes } from "../kernel";
import { type DefinedOp, defineOp } from "../op";
import type { Tensor } from "../tensor";
import { transpose } from "./transpose";

// A matrix past the binding limit (VGG's fc6 holds 411 MB) can only be bound window by window along its rows. So the
// product is written with that matrix's rows outermost; the small matrices are transposed to fit.

/** Why a lowering does not apply: its large matrix fits one binding, or the one to transpose does not. */
const unlessLarge = (large: number, transposed: number, { limits }: KernelContext): string | undefined => {
  const most = limits.maxStorageBufferBindingSize / 4;
  if (large <= most) return "everything fits one binding";
  return transposed > most ? "both matrices are past one binding" : undefined;
};
const get = (record: Readonly<Record<string, Tensor>>, name: string): Tensor => {
  const t = record[name];
  if (t === undefined) throw new Error(`there is no input ${name}`);
  return t;
};

/** a·bᵀ with a large b: (b·aᵀ)ᵀ. */
const matmulNTLarge: Lowering = {
  name: "large",
  rejects: ({ M = 0, N = 0, K = 0 }: Sizes, context) => unlessLarge(N * K, M * K, context),
  lower: (inputs) => ({ y: transpose({ x: matmulNT({ a: get(inputs, "b"), b: get(inputs, "a") }).y }).y }),
};

/** a·b with a large b: the windows of b's rows, with those of aᵀ, add up. */
const matmulLarge: Lowering = {
  name: "large",
  rejects: ({ M = 0, N = 0, K = 0 }: Sizes, context) => unlessLarge(N * K, M * K, context),
  lower: (inputs) => ({ y: matmulTN({ a: transpose({ x: get(inputs, "a") }).y, b: get(inputs, "b") }).y }),
};

/** aᵀ·b with a large result: its rows are those of aᵀ. */
const matmulTNLarge: Lowering = {
  name: "large",
  rejects: ({ M = 0, N = 0, K = 0 }: Sizes, context) => unlessLarge(M * N, Math.max(K * M, K * N), context),
  lower: (inputs) => ({ y: matmul({ a: transpose({ x: get(inputs, "a") }).y, b: get(inputs, "b") }).y }),
};

type NoAttrs = Record<never, never>;
const flops = ({ M = 0, N = 0, K = 0 }) => 2 * M * N * K;

/** Product of two matrices, y[m,n] = Σ a[m,k]·b[k,n]. */
export const matmul: DefinedOp<{ a: "M K"; b: "K N" }, { y: "M N" }, NoAttrs> = defineOp({
  name: "matmul",
  inputs: { a: "M K", b: "K N" },
  outputs: { y: "M N" },
  // da = dy·bᵀ, db = aᵀ·dy.
  grad: ({ a, b, dy }) => ({ a: matmulNT({ a: dy, b }).y, b: matmulTN({ a, b: dy }).y }),
  flops,
  kernels: [matmulLarge, ...matmulKernels],
});

/** Product with the second matrix transposed, y[m,n] = Σ a[m,k]·b[n,k]: a linear layer whose weights are [out, in]. */
export const matmulNT: DefinedOp<{ a: "M K"; b: "N K" }, { y: "M N" }, NoAttrs> = defineOp({
  name: "matmulNT",
  inputs: { a: "M K", b: "N K" },
  outputs: { y: "M N" },
  // da = dy·b, db = dyᵀ·a.
  grad: ({ a, b, dy }) => ({ a: matmul({ a: dy, b }).y, b: matmulTN({ a: dy, b: a }).y }),
  flops,
  kernels: [matmulNTLarge, ...matmulNTKernels],
});

/** Product with the first matrix transposed, y[m,n] = Σ a[k,m]·b[k,n]: the gradient of a linear layer's weights. */
export const matmulTN: DefinedOp<{ a: "K M"; b: "K N" }, { y: "M N" }, NoAttrs> = defineOp({
  name: "matmulTN",
  inputs: { a: "K M", b: "K N" },
  outputs: { y: "M N" },
  // da = b·dyᵀ, db = a·dy.
  grad: ({ a, b, dy }) => ({ a: matmulNT({ a: b, b: dy }).y, b: matmul({ a, b: dy }).y }),
  sumOver: "K",
  flops,
  kernels: [matmulTNLarge, ...matmulTNKernels],
});
