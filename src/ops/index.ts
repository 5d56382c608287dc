import { activationGradOps, activationOps } from "./activations";
import { adaptiveAvgPool, adaptiveAvgPoolGrad } from "./adaptive-avg-pool";
import { add } from "./add";
import { avgPool, avgPoolGrad } from "./avg-pool";
import {
  batchNorm,
  batchNormApply,
  batchNormGrad,
  batchNormGradApply,
  batchNormGradFinish,
  batchNormGradSums,
  batchNormMerge,
  batchNormMoments,
} from "./batch-norm";
import {
  batchNormInference,
  batchNormInferenceGradAffine,
  batchNormInferenceGradX,
} from "./batch-norm-inference";
import { batchedMatmulNT, batchedMatmulTNSlices } from "./batched-matmul";
import { biasAdd } from "./bias-add";
import { columnParts, columnSum, columnTotal } from "./column-sum";
import { concat2, concat3, concat4, slice, sliceGrad } from "./concat";
import { conv2d, conv2dGradW, conv2dGradWSlices, conv2dGradX } from "./conv2d";
import { crossEntropy, crossEntropyGrad } from "./cross-entropy";
import {
  depthwiseConv2d,
  depthwiseConv2dGradW,
  depthwiseConv2dGradWPartials,
  depthwiseConv2dGradX,
} from "./depthwise-conv2d";
import { dropout } from "./dropout";
import { globalAvgPool, globalAvgPoolGrad } from "./global-avg-pool";
import { im2col } from "./im2col";
import { localResponseNorm, localResponseNormGrad } from "./local-response-norm";
import { matmul, matmulNT, matmulTN } from "./matmul";
import { maxPool, maxPoolGrad, maxPoolValues } from "./max-pool";
import { mean } from "./mean";
import { meanSquaredError, meanSquaredErrorGrad } from "./mean-squared-error";
import { movingAverage } from "./moving-average";
import { multiply } from "./multiply";
import { adamUpdate, adamWUpdate, sgdMomentumUpdate, sgdUpdate } from "./optimizers";
import { elasticNet, elasticNetGrad } from "./penalty";
import { prelu, preluGradAlpha, preluGradX } from "./prelu";
import { scale } from "./scale";
import { scaleChannels, scaleShift } from "./scale-shift";
import { logSoftmax, logSoftmaxGrad, softmax, softmaxGrad } from "./softmax";
import { subtract } from "./subtract";
import { spread, sum, sumParts, sumSlices, sumTotal } from "./sum";
import { transpose } from "./transpose";
import { winogradFilter, winogradGradient, winogradInput, winogradOutput, winogradWeights } from "./winograd";

/** Every op with kernels, by name. One without a spec in kernels-test/specs.ts does not compile. */
export const ops = {
  ...activationOps,
  ...activationGradOps,
  adamUpdate,
  adamWUpdate,
  adaptiveAvgPool,
  adaptiveAvgPoolGrad,
  add,
  avgPool,
  avgPoolGrad,
  batchNorm,
  batchNormApply,
  batchNormGrad,
  batchNormGradApply,
  batchNormGradFinish,
  batchNormGradSums,
  batchNormInference,
  batchNormInferenceGradAffine,
  batchNormInferenceGradX,
  batchNormMerge,
  batchNormMoments,
  batchedMatmulNT,
  batchedMatmulTNSlices,
  biasAdd,
  columnParts,
  columnSum,
  columnTotal,
  concat2,
  concat3,
  concat4,
  conv2d,
  conv2dGradW,
  conv2dGradWSlices,
  conv2dGradX,
  crossEntropy,
  crossEntropyGrad,
  depthwiseConv2d,
  depthwiseConv2dGradW,
  depthwiseConv2dGradWPartials,
  depthwiseConv2dGradX,
  dropout,
  elasticNet,
  elasticNetGrad,
  globalAvgPool,
  globalAvgPoolGrad,
  im2col,
  localResponseNorm,
  localResponseNormGrad,
  logSoftmax,
  logSoftmaxGrad,
  matmul,
  matmulNT,
  matmulTN,
  maxPool,
  maxPoolGrad,
  maxPoolValues,
  mean,
  meanSquaredError,
  meanSquaredErrorGrad,
  movingAverage,
  multiply,
  prelu,
  preluGradAlpha,
  preluGradX,
  scale,
  scaleChannels,
  scaleShift,
  sgdMomentumUpdate,
  sgdUpdate,
  slice,
  sliceGrad,
  softmax,
  softmaxGrad,
  spread,
  subtract,
  sum,
  sumParts,
  sumSlices,
  sumTotal,
  transpose,
  winogradFilter,
  winogradGradient,
  winogradInput,
  winogradOutput,
  winogradWeights,
};
