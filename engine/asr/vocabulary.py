"""A Whisper model's tokens: what a decode begins with, what it may not say, and words of tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import tokenizers

ENGLISH_END = 50_256
"""Models of English alone have the vocabulary of GPT-2, whose last token this is."""


class Vocabulary:
    """`folder` holds a CTranslate2 Whisper model's tokenizer.json and config.json.

    `start` are the tokens before the text of a transcript in `language` with times, `prompt` those
    before one without. `silent` is the token whose probability behind the first is that of no
    speech. Raises `ValueError` for a language that the model does not know.

    `manner` is a text that the decoder is to take for what was said before the window, since it
    goes on in its manner; `before` are its tokens, which stand in front of `prompt` where the last
    words of an utterance are asked for.
    """

    def __init__(self, folder: Path, language: str = "en", manner: str = "") -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "config.json").read_text())
        self.start = [self._known("<|startoftranscript|>")]
        self.end = self._known("<|endoftext|>")
        if self.end != ENGLISH_END:
            self.start += [self._known(f"<|{language}|>"), self._known("<|transcribe|>")]
        elif language != "en":
            raise ValueError(f"this model knows English only, not {language!r}")
        self.prompt = [*self.start, self._known("<|notimestamps|>")]
        self.before: list[int] = []
        if manner:
            text = self._tokenizer.encode(f" {manner}", add_special_tokens=False).ids
            self.before = [self._known("<|startofprev|>"), *text]
        self.silent = self._known("<|nospeech|>", "<|nocaptions|>")
        self.suppressed: list[int] = config["suppress_ids"]
        self.suppressed_first: list[int] = config["suppress_ids_begin"]
        self.alignment = [(layer, head) for layer, head in config["alignment_heads"]]

    def text(self, ids: Sequence[int]) -> str:
        decoded: str = self._tokenizer.decode(list(ids))
        return decoded

    def words(self, ids: Sequence[int]) -> list[tuple[str, int]]:
        """Words with their number of tokens. A token that begins with a space begins a word."""
        groups: list[list[int]] = []
        for token in ids:
            piece = self._tokenizer.id_to_token(token) or ""
            if not groups or piece.startswith("Ġ"):
                groups.append([])
            groups[-1].append(token)
        return [(self.text(group).strip(), len(group)) for group in groups]

    def _known(self, *names: str) -> int:
        for name in names:
            token = self._tokenizer.token_to_id(name)
            if token is not None:
                return int(token)
        raise ValueError(f"this model has no token {' or '.join(names)}")
