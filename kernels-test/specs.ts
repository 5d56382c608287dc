import type { ops } from "../src/ops";
import { activationGradSpecs, activationSpecs } from "./activations.spec";
import { adaptiveAvgPoolGradSpec, adaptiveAvgPoolSpec } from "./adaptive-avg-pool.spec";
import addSpec from "./add.spec";
import { avgPoolGradSpec, avgPoolSpec } from "./avg-pool.spec";
import {
  batchNormApplySpec,
  batchNormGradApplySpec,
  batchNormGradFinishSpec,
  batchNormGradSpec,
  batchNormGradSumsSpec,
  batchNormMergeSpec,
  batchNormMomentsSpec,
  batchNormSpec,
} from "./batch-norm.spec";
import {
  batchNormInferenceGradAffineSpec,
  batchNormInferenceGradXSpec,
  batchNormInferenceSpec,
} from "./batch-norm-inference.spec";
import batchedMatmulSpec, { batchedMatmulTNSlicesSpec } from "./batched-matmul.spec";
import biasAddSpec from "./bias-add.spec";
import columnSumSpec, { columnPartsSpec, columnTotalSpec } from "./column-sum.spec";
import { concat2Spec, concat3Spec, concat4Spec, sliceGradSpec, sliceSpec } from "./concat.spec";
import { conv2dGradWSlicesSpec, conv2dGradWSpec, conv2dGradXSpec, conv2dSpec } from "./conv2d.spec";
import crossEntropySpec, { crossEntropyGradSpec } from "./cross-entropy.spec";
import {
  depthwiseConv2dGradWPartialsSpec,
  depthwiseConv2dGradWSpec,
  depthwiseConv2dGradXSpec,
  depthwiseConv2dSpec,
} from "./depthwise-conv2d.spec";
import dropoutSpec from "./dropout.spec";
import { globalAvgPoolGradSpec, globalAvgPoolSpec } from "./global-avg-pool.spec";
import im2colSpec from "./im2col.spec";
import { localResponseNormGradSpec, localResponseNormSpec } from "./local-response-norm.spec";
import { matmulNTSpec, matmulSpec, matmulTNSpec } from "./matmul.spec";
import { maxPoolGradSpec, maxPoolSpec, maxPoolValuesSpec } from "./max-pool.spec";
import meanSpec from "./mean.spec";
import meanSquaredErrorSpec, { meanSquaredErrorGradSpec } from "./mean-squared-error.spec";
import movingAverageSpec from "./moving-average.spec";
import multiplySpec from "./multiply.spec";
import { adamUpdateSpec, adamWUpdateSpec, sgdMomentumUpdateSpec, sgdUpdateSpec } from "./optimizers.spec";
import elasticNetSpec, { elasticNetGradSpec } from "./penalty.spec";
import preluSpec, { preluGradAlphaSpec, preluGradXSpec } from "./prelu.spec";
import scaleSpec from "./scale.spec";
import scaleShiftSpec, { scaleChannelsSpec } from "./scale-shift.spec";
import softmaxSpec, { logSoftmaxGradSpec, logSoftmaxSpec, softmaxGradSpec } from "./softmax.spec";
import type { Spec } from "./spec";
import subtractSpec from "./subtract.spec";
import sumSpec, { spreadSpec, sumPartsSpec, sumSlicesSpec, sumTotalSpec } from "./sum.spec";
import transposeSpec from "./transpose.spec";
import {
  winogradFilterSpec,
  winogradGradientSpec,
  winogradInputSpec,
  winogradOutputSpec,
  winogradWeightsSpec,
} from "./winograd.spec";

/** A spec for every op of the registry: leaving one out does not compile. */
export const specs: Readonly<Record<keyof typeof ops, Spec>> = {
  ...activationSpecs,
  ...activationGradSpecs,
  add: addSpec,
  adamUpdate: adamUpdateSpec,
  adamWUpdate: adamWUpdateSpec,
  adaptiveAvgPool: adaptiveAvgPoolSpec,
  adaptiveAvgPoolGrad: adaptiveAvgPoolGradSpec,
  avgPool: avgPoolSpec,
  avgPoolGrad: avgPoolGradSpec,
  batchNorm: batchNormSpec,
  batchNormApply: batchNormApplySpec,
  batchNormGrad: batchNormGradSpec,
  batchNormGradApply: batchNormGradApplySpec,
  batchNormGradFinish: batchNormGradFinishSpec,
  batchNormGradSums: batchNormGradSumsSpec,
  batchNormInference: batchNormInferenceSpec,
  batchNormInferenceGradAffine: batchNormInferenceGradAffineSpec,
  batchNormInferenceGradX: batchNormInferenceGradXSpec,
  batchNormMerge: batchNormMergeSpec,
  batchNormMoments: batchNormMomentsSpec,
  batchedMatmulNT: batchedMatmulSpec,
  batchedMatmulTNSlices: batchedMatmulTNSlicesSpec,
  biasAdd: biasAddSpec,
  columnParts: columnPartsSpec,
  columnSum: columnSumSpec,
  columnTotal: columnTotalSpec,
  concat2: concat2Spec,
  concat3: concat3Spec,
  concat4: concat4Spec,
  conv2d: conv2dSpec,
  conv2dGradW: conv2dGradWSpec,
  conv2dGradWSlices: conv2dGradWSlicesSpec,
  conv2dGradX: conv2dGradXSpec,
  crossEntropy: crossEntropySpec,
  crossEntropyGrad: crossEntropyGradSpec,
  depthwiseConv2d: depthwiseConv2dSpec,
  depthwiseConv2dGradW: depthwiseConv2dGradWSpec,
  depthwiseConv2dGradWPartials: depthwiseConv2dGradWPartialsSpec,
  depthwiseConv2dGradX: depthwiseConv2dGradXSpec,
  dropout: dropoutSpec,
  elasticNet: elasticNetSpec,
  elasticNetGrad: elasticNetGradSpec,
  globalAvgPool: globalAvgPoolSpec,
  globalAvgPoolGrad: globalAvgPoolGradSpec,
  im2col: im2colSpec,
  localResponseNorm: localResponseNormSpec,
  localResponseNormGrad: localResponseNormGradSpec,
  logSoftmax: logSoftmaxSpec,
  logSoftmaxGrad: logSoftmaxGradSpec,
  matmul: matmulSpec,
  matmulNT: matmulNTSpec,
  matmulTN: matmulTNSpec,
  maxPool: maxPoolSpec,
  maxPoolGrad: maxPoolGradSpec,
  maxPoolValues: maxPoolValuesSpec,
  mean: meanSpec,
  meanSquaredError: meanSquaredErrorSpec,
  meanSquaredErrorGrad: meanSquaredErrorGradSpec,
  movingAverage: movingAverageSpec,
  multiply: multiplySpec,
  prelu: preluSpec,
  preluGradAlpha: preluGradAlphaSpec,
  preluGradX: preluGradXSpec,
  scale: scaleSpec,
  scaleChannels: scaleChannelsSpec,
  scaleShift: scaleShiftSpec,
  sgdMomentumUpdate: sgdMomentumUpdateSpec,
  sgdUpdate: sgdUpdateSpec,
  slice: sliceSpec,
  sliceGrad: sliceGradSpec,
  softmax: softmaxSpec,
  softmaxGrad: softmaxGradSpec,
  spread: spreadSpec,
  subtract: subtractSpec,
  sum: sumSpec,
  sumParts: sumPartsSpec,
  sumSlices: sumSlicesSpec,
  sumTotal: sumTotalSpec,
  transpose: transposeSpec,
  winogradFilter: winogradFilterSpec,
  winogradGradient: winogradGradientSpec,
  winogradInput: winogradInputSpec,
  winogradOutput: winogradOutputSpec,
  winogradWeights: winogradWeightsSpec,
};

/** Half of the specs, so that two processes can share them. */
export const half = (which: 0 | 1): Record<string, Spec> =>
  Object.fromEntries(Object.entries(specs).filter((_, k) => k % 2 === which));
