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

/** A part of a buffer that a texture is to hold; its offset and size are multiples of 16 bytes. */
export interface TextureCopy {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
  readonly texture: GPUTexture;
}

/** Copies the whole rows, then what is left of the last. */
export function copyToTexture(
  encoder: GPUCommandEncoder,
  { buffer, offset, bytes, texture }: TextureCopy,
): void {
  const rows = Math.floor(bytes / rowBytes);
  const rest = (bytes - rows * rowBytes) / 16;
  if (rows > 0)
    encoder.copyBufferToTexture({ buffer, offset, bytesPerRow: rowBytes }, { texture }, [rowTexels, rows]);
  if (rest > 0)
    encoder.copyBufferToTexture(
      { buffer, offset: offset + rows * rowBytes },
      { texture, origin: [0, rows] },
      [rest, 1],
    );
}
