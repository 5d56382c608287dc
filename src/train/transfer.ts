import { InputError } from "../io/errors";
import { declareModel, type Model } from "../nn/model";
import type { ParameterGroup } from "../nn/optimizers";
import { parameterPattern } from "../nn/parameter-names";
import type { TrainSettings } from "./checkpoint-info";

type TransferSettings = Pick<TrainSettings, "freeze" | "trainOnly" | "freezeStatistics" | "lrScale">;

/** What `compile` and an optimizer need of the settings of transfer learning. */
export interface Transfer {
  readonly freeze: readonly RegExp[] | undefined;
  readonly freezeStatistics: boolean;
  readonly groups: readonly ParameterGroup[];
}

/**
 * Which parameters of a model keep their values, and which learn at a rate of their own.
 *
 * @throws InputError for a name that no parameter has, and when nothing would be left to train
 */
export function transferOf(model: Model, settings: TransferSettings): Transfer {
  const { freeze, trainOnly, freezeStatistics, lrScale } = settings;
  const names = [...declareModel(model, 1, { auxiliaries: true }).trace.variables.values()]
    .filter(({ role }) => role === "parameter")
    .map(({ name }) => name);
  for (const name of [...freeze, ...trainOnly, ...lrScale.map(({ name }) => name)])
    if (!names.some((known) => known.search(parameterPattern(name)) >= 0))
      throw new InputError(
        `${model.name}: no parameter is named ${name}; there are ${topLevel(names).join(", ")} and what is in them (\`striate summary ${model.name}\`)`,
      );
  const isFrozen = (name: string): boolean =>
    (freeze.length > 0 && name.search(parameterPattern(...freeze)) >= 0) ||
    (trainOnly.length > 0 && name.search(parameterPattern(...trainOnly)) < 0);
  const frozen = names.filter(isFrozen);
  if (frozen.length === names.length)
    throw new InputError(`${model.name}: every parameter is frozen, there is nothing to train`);
  if (freezeStatistics && frozen.length === 0)
    throw new InputError(
      `${model.name}: nothing is frozen whose statistics could be; name layers to freeze or to train only`,
    );
  return {
    freeze: frozen.length === 0 ? undefined : [exactly(frozen)],
    freezeStatistics,
    groups: lrScale.map(({ name, factor }) => ({ match: parameterPattern(name), lrScale: factor })),
  };
}

const exactly = (names: readonly string[]): RegExp =>
  new RegExp(`^(?:${names.map((name) => name.replaceAll(".", "\\.")).join("|")})$`);

/** `conv1`, `layer1`, … in the order of the network. */
const topLevel = (names: readonly string[]): string[] => [
  ...new Set(names.map((name) => name.split(".")[0] ?? name)),
];
