declare module "wgsl-preprocessor/wgsl-preprocessor.js" {
  /** Tagged template for WGSL with `#if ${…} #elif ${…} #else #endif`. */
  export function wgsl(strings: TemplateStringsArray, ...values: readonly unknown[]): string;
}
