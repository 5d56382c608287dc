// Where a load from a buffer is done lane by lane, as on llvmpipe, one from a texture need not be: all lanes' texels are
// fetched and turned by vector instructions, a quarter as many. So products and windows copy what they load often into
// textures.

/** Mesa 25.0 mixes the texels up where its subgroups have 16 lanes (`LP_NATIVE_VECTOR_WIDTH=512`). */
const mostLanes = 8;

/** Why an adapter with such subgroups is to load nothing from textures. */
export function rejectsTextures(subgroupSize: number | undefined): string | undefined {
  if (subgroupSize === undefined) return "the adapter's subgroups have no fixed size";
  return subgroupSize > mostLanes ? `subgroups of ${subgroupSize} may read textures wrongly` : undefined;
}

/** Texels of a row, four values each. A tensor lies in a texture as it does in a buffer, row after row. */
const rowTexels = 2048;
const rowBytes = 16 * rowTexels;
/** What WebGPU guarantees of every adapter. */
const mostRows = 8192;

/** The tensors that one texture can hold. */
export const mostTextureBytes = rowBytes * mostRows;

/** Width and height of a texture for so many bytes. */
export const textureSize = (bytes: number): readonly [number, number] => [
  rowTexels,
  Math.max(1, Math.ceil(bytes / rowBytes)),
];

/** What a texture for so many bytes takes up. */
export const textureBytes = (bytes: number): number => rowBytes * textureSize(bytes)[1];

/** WGSL of a tensor that is bound as a texture, and of the function `load_<name>`, which counts fours of values. */
export const textureDeclaration = (name: string, binding: number): string => `
@group(0) @binding(${binding}) var ${name}: texture_storage_2d<rgba32float, read>;
fn load_${name}(i: u32) -> vec4f { return textureLoad(${name}, vec2u(i % ${rowTexels}u, i / ${rowTexels}u)); }`;

/** Calls of the encoder that fill a texture. */
export type TextureCopy = readonly (readonly [
  from: GPUTexelCopyBufferInfo,
  to: GPUTexelCopyTextureInfo,
  size: readonly [width: number, height: number],
])[];

/**
 * A part of a buffer into a texture; offset and size are multiples of 16 bytes. Whole rows, the last together with what lies
 * behind the part, which nobody reads; where the buffer ends before the row does, what is left comes by itself.
 */
export function textureCopy(
  buffer: GPUBuffer,
  offset: number,
  bytes: number,
  texture: GPUTexture,
): TextureCopy {
  const isOneRow = bytes <= rowBytes;
  const fits = offset + Math.ceil(bytes / rowBytes) * rowBytes <= buffer.size;
  const rows = isOneRow ? 0 : (fits ? Math.ceil : Math.floor)(bytes / rowBytes);
  const rest = Math.max(0, bytes - rows * rowBytes) / 16;
  const calls: TextureCopy[number][] = [];
  if (rows > 0) calls.push([{ buffer, offset, bytesPerRow: rowBytes }, { texture }, [rowTexels, rows]]);
  if (rest > 0)
    calls.push([{ buffer, offset: offset + rows * rowBytes }, { texture, origin: [0, rows] }, [rest, 1]]);
  return calls;
}

export function copyToTexture(encoder: GPUCommandEncoder, copy: TextureCopy): void {
  for (const [from, to, size] of copy) encoder.copyBufferToTexture(from, to, size);
}
