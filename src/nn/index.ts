/** Layers, their combinators and initialisers: what a model is written with. */
import type { Layer as LayerFunction } from "./layer";

export * from "./activations";
export * from "./combinators";
export * from "./initializers";
export { layer, Scope } from "./layer";
export * from "./layers";
export { parameterPattern } from "./parameter-names";
/** A function from a symbolic tensor to a symbolic tensor. Declared here: the bundler of declarations takes a re-exported type of another chunk for a value. */
export type Layer = LayerFunction;
