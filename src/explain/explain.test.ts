import { expect, test } from "vitest";
import { modelNamed } from "../models";
import { declareModel } from "../nn/model";
import { camGraph } from "./cam";
import { featureLayer } from "./feature-layer";
import { gradCamGraph } from "./grad-cam";
import { peakOf, resizeHeatMap, weightedSum } from "./heat-map";
import { heatColour, overlayHeatMap } from "./overlay";

test.each([
  ["lenet5", "tanh3", [1, 10, 10, 16]],
  ["alexnet-owt", "features.11", [1, 13, 13, 256]],
  ["vgg16", "features.29", [1, 14, 14, 512]],
  ["googlenet", "inception5b", [1, 7, 7, 1024]],
  ["inception-v3", "Mixed_7c", [1, 8, 8, 2048]],
  ["resnet50", "layer4.2.relu", [1, 7, 7, 2048]],
  ["mobilenet-v1", "blocks.4.1.act2", [1, 7, 7, 1024]],
])("the last features of %s are those of %s", (name, layer, shape) => {
  const graph = gradCamGraph(modelNamed(name));
  expect([graph.layer, graph.features.shape]).toEqual([layer, shape]);
  expect(graph.weights.shape).toEqual([1, shape[3]]);
});

test("CAM looks at what the network averages, and refuses a network that does not", () => {
  for (const [name, layer] of [
    ["resnet18", "layer4.1.relu"],
    ["googlenet", "inception5b"],
    ["mobilenet-v1", "blocks.4.1.act2"],
  ] as const) {
    const graph = camGraph(modelNamed(name, { classes: 10 }), { batch: 2 });
    expect([graph.layer, graph.features.shape[0], graph.weights.shape[0]]).toEqual([layer, 2, 2]);
  }
  expect(() => camGraph(modelNamed("vgg16"))).toThrow(/^vgg16: it does not end in global average pooling/);
  expect(() => camGraph(modelNamed("lenet5"))).toThrow("use Grad-CAM");
});

test("a layer is found by name; one without a map of features is refused", () => {
  const model = modelNamed("resnet18", { imageSize: 64, classes: 10 });
  const declared = declareModel(model, 1);
  expect(featureLayer(model, declared, "layer2.0.conv1").output.shape).toEqual([1, 8, 8, 128]);
  expect(() => featureLayer(model, declared, "layer5")).toThrow(
    /^resnet18: there is no layer layer5; the last that do are .*layer4\.1\.relu$/,
  );
  expect(() => featureLayer(model, declared, "fc")).toThrow("the layer fc gives no map of features");
});

test("channels are summed by weight, and maps grow bilinearly", () => {
  const map = weightedSum(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), Float32Array.of(10, -1), [2, 2]);
  expect([...map.values]).toEqual([8, 26, 44, 62]);
  expect(peakOf(map)).toEqual({ row: 1, column: 1, value: 62 });
  const grown = resizeHeatMap({ height: 1, width: 2, values: Float32Array.of(0, 4) }, [1, 4]);
  expect([...grown.values]).toEqual([0, 1, 3, 4]);
});

test("the overlay brightens where the map is high and darkens where it is not", () => {
  expect(heatColour(0)).toEqual([0, 0, 4]);
  expect(heatColour(1)).toEqual([252, 255, 164]);
  const brightness = Array.from({ length: 101 }, (_, k) => {
    const [r, g, b] = heatColour(k / 100);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  });
  expect(brightness.every((v, k) => k === 0 || v > (brightness[k - 1] ?? 0))).toBe(true);
  const map = { height: 1, width: 2, values: Float32Array.of(-1, 3) };
  expect([...overlayHeatMap(Uint8Array.of(100, 100), map, 0.5)]).toEqual([50, 50, 52, 176, 178, 132]);
  const dark = { height: 1, width: 1, values: Float32Array.of(0) };
  expect([...overlayHeatMap(Uint8Array.of(10, 20, 30), dark, 0)]).toEqual([10, 20, 30]);
  expect(() => overlayHeatMap(new Uint8Array(5), map)).toThrow("5 bytes are no image of 1×2");
});
