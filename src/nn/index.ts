/** Layers, their combinators and initialisers: what a model is written with. */
export * from "./activations";
export * from "./combinators";
export * from "./initializers";
export { type Layer, layer, Scope } from "./layer";
export * from "./layers";
export { parameterPattern } from "./parameter-names";
