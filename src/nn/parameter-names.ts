/**
 * What a person types for a group of parameters, as a pattern of their names: a layer's or a parameter's name, where
 * `*` stands for any characters. `layer1` is everything in it, `*.bias` every bias.
 *
 * @example compile(net, { device, batch, loss, optimizer, freeze: parameterPattern("conv1", "layer*") });
 */
export const parameterPattern = (...names: readonly string[]): RegExp =>
  new RegExp(`^(?:${names.map(source).join("|")})(?:\\.|$)`);

const source = (name: string): string =>
  name
    .split("*")
    .map((part) => part.replace(/[\\^$.|?+()[\]{}/-]/g, "\\$&"))
    .join(".*");
