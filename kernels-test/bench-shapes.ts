/** Sizes that `striate bench ops` shares between specs: what a layer in the middle of a network works on. */

/** A batch of activations of a ResNet's first stage [N H W C]. */
export const volume = [4, 56, 56, 64] as const;
export const channels = [64] as const;
/** A stage further on, where there are more channels than pixels in a row. */
export const deep = [4, 14, 14, 256] as const;
/** Logits of ImageNet's classes [N C]. */
export const logits = [256, 1000] as const;
export const images = [256] as const;
/** A large layer's parameters. */
export const weights = [1024, 1024] as const;

export const ofVolume = "activations of a ResNet's first stage";
