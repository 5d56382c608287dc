/**
 * The networks, once for all peers: each function names its layers as torchvision does (timm for MobileNet v1) and is
 * given the operations by a builder `b`, one a library. A builder takes `conv`, `depthwise`, `norm`, `activate`,
 * `add`, `maxPool`, `resize`, `mean` and `linear`. Dropout is left out everywhere: its masks could not be compared.
 */

/** Howard et al. 2017, as timm's `mobilenetv1_100` has it: ReLU6, padding 1 on every side. */
function mobilenet(b, x) {
  let y = b.conv(x, "conv_stem", { out: 32, kernel: 3, stride: 2, pad: 1 });
  y = b.norm(y, "bn1", "relu6");
  const stages = [
    // blocks, channels, stride of the first
    [1, 64, 1],
    [2, 128, 2],
    [2, 256, 2],
    [6, 512, 2],
    [2, 1024, 2],
  ];
  for (const [s, [blocks, out, stride]] of stages.entries()) {
    for (let k = 0; k < blocks; k++) {
      const name = `blocks.${s}.${k}`;
      y = b.depthwise(y, `${name}.conv_dw`, { kernel: 3, stride: k === 0 ? stride : 1, pad: 1 });
      y = b.norm(y, `${name}.bn1`, "relu6");
      y = b.conv(y, `${name}.conv_pw`, { out, kernel: 1 });
      y = b.norm(y, `${name}.bn2`, "relu6");
    }
  }
  return b.linear(b.mean(y), "classifier", { out: 1000 });
}

/** He et al. 2015, 50 layers, stride on the 3×3 as in torchvision. */
function resnet50(b, x) {
  let y = b.conv(x, "conv1", { out: 64, kernel: 7, stride: 2, pad: 3 });
  y = b.maxPool(b.norm(y, "bn1", "relu"), { window: 3, stride: 2, pad: 1 });
  const stages = [
    [3, 64, 1],
    [4, 128, 2],
    [6, 256, 2],
    [3, 512, 2],
  ];
  for (const [s, [blocks, mid, first]] of stages.entries()) {
    for (let k = 0; k < blocks; k++) {
      const name = `layer${s + 1}.${k}`;
      const stride = k === 0 ? first : 1;
      let z = b.norm(b.conv(y, `${name}.conv1`, { out: mid, kernel: 1 }), `${name}.bn1`, "relu");
      z = b.norm(b.conv(z, `${name}.conv2`, { out: mid, kernel: 3, stride, pad: 1 }), `${name}.bn2`, "relu");
      z = b.norm(b.conv(z, `${name}.conv3`, { out: 4 * mid, kernel: 1 }), `${name}.bn3`);
      const shortcut =
        k === 0
          ? b.norm(
              b.conv(y, `${name}.downsample.0`, { out: 4 * mid, kernel: 1, stride }),
              `${name}.downsample.1`,
            )
          : y;
      y = b.activate(b.add(z, shortcut), "relu");
    }
  }
  return b.linear(b.mean(y), "fc", { out: 1000 });
}

/** The classifier that torchvision's AlexNet and VGG share, its layers at these indices. */
function classifier(b, x, [first, second, third]) {
  let y = b.linear(x, `classifier.${first}`, { out: 4096, act: "relu" });
  y = b.linear(y, `classifier.${second}`, { out: 4096, act: "relu" });
  return b.linear(y, `classifier.${third}`, { out: 1000 });
}

/** Simonyan & Zisserman 2014, configuration D. */
function vgg16(b, x) {
  const plan = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"];
  let y = x;
  let index = 0;
  for (const out of plan) {
    if (out === "M") {
      y = b.maxPool(y, { window: 2, stride: 2, pad: 0 });
      index += 1;
    } else {
      y = b.conv(y, `features.${index}`, { out, kernel: 3, pad: 1, bias: true, act: "relu" });
      index += 2;
    }
  }
  return classifier(b, b.resize(y, 7), [0, 3, 6]);
}

/** Krizhevsky 2014, "one weird trick", as torchvision has it. */
function alexnet(b, x) {
  const conv = (y, name, options) => b.conv(y, name, { bias: true, act: "relu", ...options });
  const pool = { window: 3, stride: 2, pad: 0 };
  let y = b.maxPool(conv(x, "features.0", { out: 64, kernel: 11, stride: 4, pad: 2 }), pool);
  y = b.maxPool(conv(y, "features.3", { out: 192, kernel: 5, pad: 2 }), pool);
  y = conv(y, "features.6", { out: 384, kernel: 3, pad: 1 });
  y = conv(y, "features.8", { out: 256, kernel: 3, pad: 1 });
  y = b.maxPool(conv(y, "features.10", { out: 256, kernel: 3, pad: 1 }), pool);
  return classifier(b, b.resize(y, 6), [1, 4, 6]);
}

/**
 * `model` and `options` are Striate's own for the same network; `watch` the parameters whose update is compared after
 * the first training step.
 *
 * @type {Record<string, { title: string, model: string, options?: { dropout: number }, define: (b: any, x: any) => any, watch: string[] }>}
 */
export const networks = {
  mobilenet: {
    title: "MobileNet v1",
    model: "mobilenet-v1",
    define: mobilenet,
    watch: ["conv_stem.weight", "blocks.3.0.conv_dw.weight", "blocks.4.1.bn2.weight", "classifier.bias"],
  },
  resnet50: {
    title: "ResNet-50",
    model: "resnet50",
    define: resnet50,
    watch: ["conv1.weight", "layer2.0.conv2.weight", "layer4.2.bn3.weight", "fc.bias"],
  },
  vgg16: {
    title: "VGG-16",
    model: "vgg16",
    options: { dropout: 0 },
    define: vgg16,
    watch: ["features.0.weight", "features.17.weight", "classifier.3.bias", "classifier.6.bias"],
  },
  alexnet: {
    title: "AlexNet",
    model: "alexnet-owt",
    options: { dropout: 0 },
    define: alexnet,
    watch: ["features.0.weight", "features.8.weight", "classifier.4.bias", "classifier.6.bias"],
  },
};
