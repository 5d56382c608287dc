// Functions of `T` (one or four f32) that WGSL lacks, overflows in, or promises too little accuracy for.

/** The logistic function. The bound keeps the exponential finite; past it the result is 0 or 1 to the last bit. */
export const sigmoidOf = /* wgsl */ `
fn sigmoidOf(v: T) -> T { return 1.0 / (1.0 + exp(-clamp(v, T(-87), T(87)))); }
`;

/**
 * The inverse tangent to 2·10⁻⁷; WGSL's own may be off by 4,096 units in the last place. An odd polynomial, fitted on
 * [0, 1]; above, arctan v = π/2 − arctan 1/v.
 */
export const arctanOf = /* wgsl */ `
fn arctanOf(v: T) -> T {
  let size = abs(v);
  let far = size > T(1);
  let near = select(size, 1.0 / max(size, T(1)), far);
  let square = near * near;
  var sum = 0.0024567200842202453 * square - 0.014401350297570073;
  sum = sum * square + 0.03978123476031979;
  sum = sum * square - 0.0723486125136869;
  sum = sum * square + 0.10498950072353218;
  sum = sum * square - 0.14161231179426242;
  sum = sum * square + 0.1998590726324629;
  sum = sum * square - 0.3333259708454157;
  let angle = near + near * square * sum;
  let whole = select(angle, 1.5707963267948966 - angle, far);
  return select(whole, -whole, v < T(0));
}
`;

/**
 * The normal distribution's Φ to a relative error of 10⁻⁶, in the lower tail too: there Φ(−a) = e^(−a²/2)·q(t) with
 * t = 1/(1 + 0.3a) and a polynomial q, fitted for 0 ≤ a ≤ 14.
 */
export const normalCdf = /* wgsl */ `
fn normalCdf(v: T) -> T {
  let size = min(abs(v), T(14));
  let near = 1.0 / (1.0 + 0.3 * size);
  var sum = 0.03567502920288741 * near - 0.15720408432144184;
  sum = sum * near + 0.20635511792811895;
  sum = sum * near - 0.0536850160607598;
  sum = sum * near + 0.12856229140389072;
  sum = sum * near + 0.09991330922454542;
  sum = sum * near + 0.12075398243685642;
  sum = sum * near + 0.11962929728582677;
  let tail = sum * near * exp(-0.5 * size * size);
  return select(1.0 - tail, tail, v < T(0));
}
`;
