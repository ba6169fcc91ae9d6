// How common ONNX operators are in networks that people run. A: in most vision, speech or language networks. B: in many,
// or in whole families of them. C: the rest.

export type Tier = "A" | "B" | "C";

const A = `Add AveragePool BatchNormalization Cast Clip Concat Constant ConstantOfShape Conv ConvTranspose Div Equal Erf Exp
Expand Flatten Gather Gelu Gemm GlobalAveragePool Identity LayerNormalization LeakyRelu Less LSTM GRU MatMul MaxPool Mul Pad
Pow Range Reciprocal ReduceMean ReduceSum Relu Reshape Resize Shape Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh
Tile Transpose Unsqueeze Where`;

const B = `Abs And ArgMax ArgMin Ceil Cos CumSum DepthToSpace DequantizeLinear DynamicQuantizeLinear Einsum Elu Floor
GatherElements GatherND GlobalMaxPool Greater GreaterOrEqual GroupNormalization HardSigmoid HardSwish If
InstanceNormalization LessOrEqual Log LogSoftmax Loop Max Min Mod Neg NonMaxSuppression NonZero Not OneHot Or PRelu
QLinearConv QLinearMatMul MatMulInteger ConvInteger QuantizeLinear ReduceL2 ReduceMax ReduceMin ReduceProd RNN Round
RotaryEmbedding Attention RMSNormalization Scan ScatterElements ScatterND Sign Sin Size Softplus SpaceToDepth Sum TopK Trilu
Upsample Dropout Mish Swish SimplifiedLayerNormalization GridSample STFT DFT IsNaN IsInf Selu ThresholdedRelu`;

const words = (text: string): ReadonlySet<string> => new Set(text.split(/\s+/));
const TIER_A = words(A);
const TIER_B = words(B);

export function tierOf(domain: string, op: string): Tier {
  if (domain !== "") return "C";
  return TIER_A.has(op) ? "A" : TIER_B.has(op) ? "B" : "C";
}
