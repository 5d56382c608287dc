/** Why channels cannot be read in fours. */
export const fourChannels = ({ C }: { readonly C: number }): string | undefined =>
  C % 4 === 0 ? undefined : `C is ${C}, not a multiple of 4`;
