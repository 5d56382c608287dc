/** Attributes of a convolution's windows: height first, then width. */
export interface WindowAttrs {
  readonly stride: readonly [number, number];
  readonly pad: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/** Windows of a kernel along an axis; below one when the kernel is larger than the padded input. */
const windowsAlong = (size: number, kernel: number, stride: number, pad: number, dilation: number): number =>
  Math.floor((size + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1;

/** Height and width of a convolution's output. */
export const convolvedSizes = (
  { H, W, R, S }: Readonly<Record<"H" | "W" | "R" | "S", number>>,
  { stride, pad, dilation }: WindowAttrs,
) => ({
  P: windowsAlong(H, R, stride[0], pad[0], dilation[0]),
  Q: windowsAlong(W, S, stride[1], pad[1], dilation[1]),
});

/** What is wrong with a convolution's windows, whatever its channels. */
export function checkWindows(
  sizes: Readonly<Record<"H" | "W" | "R" | "S" | "P" | "Q", number>>,
  own: WindowAttrs,
): string | undefined {
  const { stride, pad, dilation } = own;
  const { H, W, R, S } = sizes;
  if (stride[0] < 1 || stride[1] < 1) return `stride is ${stride}, expected at least 1`;
  if (dilation[0] < 1 || dilation[1] < 1) return `dilation is ${dilation}, expected at least 1`;
  const { P, Q } = convolvedSizes(sizes, own);
  if (P < 1 || Q < 1) {
    const reach = [dilation[0] * (R - 1) + 1, dilation[1] * (S - 1) + 1];
    return `the kernel spans ${reach.join("×")} but the padded input is ${H + 2 * pad[0]}×${W + 2 * pad[1]}`;
  }
  if (P === sizes.P && Q === sizes.Q) return undefined;
  return `dy is ${sizes.P}×${sizes.Q} but an input of ${H}×${W} gives ${P}×${Q}`;
}
