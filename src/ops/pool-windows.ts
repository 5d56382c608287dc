/** Attributes of a pooling window. */
export interface PoolAttrs {
  readonly window: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
  readonly ceilMode: boolean;
}

/**
 * Windows along an axis as PyTorch counts them. In ceil mode a last window that is cut off counts too, but only if it
 * starts inside the input or the padding before it.
 */
function pooledAlong(size: number, window: number, stride: number, pad: number, ceilMode: boolean): number {
  const span = size + 2 * pad - window;
  const count = (ceilMode ? Math.ceil(span / stride) : Math.floor(span / stride)) + 1;
  return ceilMode && (count - 1) * stride >= size + pad ? count - 1 : count;
}

/** Height and width of a pooling's output. */
export const pooledSizes = (
  { H, W }: { readonly H: number; readonly W: number },
  { window, stride, pad, ceilMode }: PoolAttrs,
) => ({
  P: pooledAlong(H, window[0], stride[0], pad[0], ceilMode),
  Q: pooledAlong(W, window[1], stride[1], pad[1], ceilMode),
});

/** What is wrong with a pooling's sizes; every window of those that pass holds at least one value of the input. */
export function checkPool(
  { H, W, P, Q }: Readonly<Record<"H" | "W" | "P" | "Q", number>>,
  attrs: Omit<PoolAttrs, "ceilMode">,
): string | undefined {
  const { window, stride, pad } = attrs;
  if (window[0] < 1 || window[1] < 1) return `window is ${window}, expected at least 1`;
  if (stride[0] < 1 || stride[1] < 1) return `stride is ${stride}, expected at least 1`;
  if (2 * pad[0] > window[0] || 2 * pad[1] > window[1])
    return `pad is ${pad}, more than half of the window ${window}`;
  if (P < 1 || Q < 1) {
    return `the window is ${window.join("×")} but the padded input is ${H + 2 * pad[0]}×${W + 2 * pad[1]}`;
  }
  return undefined;
}

/** What is wrong with the sizes of a pooling's gradient, which is told the input's height and width. */
export function checkPoolGrad(
  sizes: Readonly<Record<"H" | "W" | "P" | "Q", number>>,
  attrs: PoolAttrs,
): string | undefined {
  const wrong = checkPool(sizes, attrs);
  const { P, Q } = pooledSizes(sizes, attrs);
  if (wrong !== undefined || (P === sizes.P && Q === sizes.Q)) return wrong;
  return `dy is ${sizes.P}×${sizes.Q} but an input of ${sizes.H}×${sizes.W} has ${P}×${Q} windows`;
}
