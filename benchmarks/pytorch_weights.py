"""Our Whisper weights in PyTorch's form, for a peer that decodes with PyTorch.

Imported by servers in environments of their own, which hold PyTorch. Names are those of OpenAI's
`whisper` package. CTranslate2 keeps the projections of queries, keys and values in one matrix, and
zeros for the keys' bias, which Whisper does not have.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.asr.checkpoint import read


def write(model: Path, checkpoint: Path) -> None:
    """Write the CTranslate2 model in folder `model` as an fp32 `checkpoint`."""
    stored = read(model / "model.bin")
    weights = Weights(
        {
            name: torch.from_numpy(np.array(array, np.float32))
            for name, array in stored.items()
            if array.dtype.kind == "f"
        }
    )
    heads = int(stored["encoder/num_heads"])
    torch.save(weights.checkpoint(heads), checkpoint)


class Weights:
    """Copies variables from CTranslate2's names to OpenAI's."""

    def __init__(self, stored: dict[str, torch.Tensor]) -> None:
        self._stored = stored
        self._state: dict[str, torch.Tensor] = {}
        self._width = stored["encoder/layer_norm/gamma"].shape[0]

    def checkpoint(self, heads: int) -> dict[str, Any]:
        """Sizes and weights, as `whisper.load_model` expects them."""
        layers = {side: self._side(side) for side in ("encoder", "decoder")}
        for name in ("conv1", "conv2"):
            self._linear(f"encoder.{name}", f"encoder/{name}")
        self._norm("encoder.ln_post", "encoder/layer_norm")
        self._norm("decoder.ln", "decoder/layer_norm")
        self._state["decoder.token_embedding.weight"] = self._stored["decoder/embeddings/weight"]
        state = self._state
        return {
            "dims": {
                "n_mels": state["encoder.conv1.weight"].shape[1],
                "n_vocab": state["decoder.token_embedding.weight"].shape[0],
                "n_audio_ctx": state["encoder.positional_embedding"].shape[0],
                "n_text_ctx": state["decoder.positional_embedding"].shape[0],
                "n_audio_state": self._width,
                "n_text_state": self._width,
                "n_audio_head": heads,
                "n_text_head": heads,
                "n_audio_layer": layers["encoder"],
                "n_text_layer": layers["decoder"],
            },
            "model_state_dict": state,
        }

    def _side(self, side: str) -> int:
        positions = self._stored[f"{side}/position_encodings/encodings"]
        self._state[f"{side}.positional_embedding"] = positions
        number = 0
        while f"{side}/layer_{number}/ffn/linear_0/weight" in self._stored:
            block, layer = f"{side}.blocks.{number}", f"{side}/layer_{number}"
            attention = f"{layer}/self_attention"
            self._norm(f"{block}.attn_ln", f"{attention}/layer_norm")
            self._split(f"{block}.attn", f"{attention}/linear_0", ("query", "key", "value"))
            self._linear(f"{block}.attn.out", f"{attention}/linear_1")
            if side == "decoder":
                attention = f"{layer}/attention"
                self._norm(f"{block}.cross_attn_ln", f"{attention}/layer_norm")
                self._linear(f"{block}.cross_attn.query", f"{attention}/linear_0")
                self._split(f"{block}.cross_attn", f"{attention}/linear_1", ("key", "value"))
                self._linear(f"{block}.cross_attn.out", f"{attention}/linear_2")
            self._norm(f"{block}.mlp_ln", f"{layer}/ffn/layer_norm")
            self._linear(f"{block}.mlp.0", f"{layer}/ffn/linear_0")
            self._linear(f"{block}.mlp.2", f"{layer}/ffn/linear_1")
            number += 1
        return number

    def _norm(self, to: str, name: str) -> None:
        self._state[f"{to}.weight"] = self._stored[f"{name}/gamma"]
        self._state[f"{to}.bias"] = self._stored[f"{name}/beta"]

    def _linear(self, to: str, name: str) -> None:
        self._state[f"{to}.weight"] = self._stored[f"{name}/weight"]
        self._state[f"{to}.bias"] = self._stored[f"{name}/bias"]

    def _split(self, to: str, name: str, parts: tuple[str, ...]) -> None:
        for kind in ("weight", "bias"):
            rows = self._stored[f"{name}/{kind}"].split(self._width)
            for part, values in zip(parts, rows, strict=True):
                if (part, kind) != ("key", "bias"):
                    self._state[f"{to}.{part}.{kind}"] = values
