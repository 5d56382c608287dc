const other: Readonly<Record<string, string>> = {
  alexnet: "alexnet-2012",
  "alexnet-owt": "alexnet",
  "inception-v3": "inception_v3",
  "mobilenet-v1": "mobilenetv1_100",
};

/** The file of state-dicts/ that holds a model's names and shapes. @example fixtureOf("vgg11-bn") // "vgg11_bn" */
export const fixtureOf = (model: string): string => other[model] ?? model.replace("-bn", "_bn");
