/**
 * Philox 4x32-10, the WGSL twin of `philox4x32` in src/random.ts (Salmon et al., SC11). WGSL has no product of high
 * words, so it is put together from 16-bit halves; no partial sum passes 2^32.
 */
export const philox = /* wgsl */ `
fn philoxMulHigh(a: u32, b: u32) -> u32 {
  let aLow = a & 0xffffu;
  let aHigh = a >> 16u;
  let bLow = b & 0xffffu;
  let bHigh = b >> 16u;
  let mid = aHigh * bLow + ((aLow * bLow) >> 16u);
  let cross = aLow * bHigh + (mid & 0xffffu);
  return aHigh * bHigh + (mid >> 16u) + (cross >> 16u);
}

fn philox4x32(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    c = vec4u(
      philoxMulHigh(c.z, 0xcd9e8d57u) ^ c.y ^ k.x,
      c.z * 0xcd9e8d57u,
      philoxMulHigh(c.x, 0xd2511f53u) ^ c.w ^ k.y,
      c.x * 0xd2511f53u,
    );
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}
`;
