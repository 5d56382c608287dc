export { wgsl } from "wgsl-preprocessor/wgsl-preprocessor.js";
