"""Make `engine/asr/ordinary.txt.gz`, the words that count as English.

`python -m benchmarks.domain.ordinary`: the words of the CMU Pronouncing Dictionary as pocketsphinx
ships it; marked are those that the recognizer's vocabulary holds whole, the commonest 21,000.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pocketsphinx
import tokenizers

from engine.asr.ordinary import COMMON, WORDS
from engine.models import ensure

_WORD = re.compile(r"[a-z][a-z']*")
_SPACE = "Ġ"
NOTICE = """\
# Words of the CMU Pronouncing Dictionary, without their pronunciations.
# Copyright (c) 1999-2016 Carnegie Mellon University. All rights reserved.
#
# Redistribution and use in source and binary forms, with or without modification, are permitted
# provided that the following conditions are met:
# 1. Redistributions of source code must retain the above copyright notice, this list of conditions
#    and the following disclaimer.
# 2. Redistributions in binary form must reproduce the above copyright notice, this list of
#    conditions and the following disclaimer in the documentation and/or other materials provided
#    with the distribution.
# This work was supported in part by funding from the Defense Advanced Research Projects Agency and
# the National Science Foundation of the United States of America, and the CMU Sphinx Speech
# Consortium.
# THIS SOFTWARE IS PROVIDED BY CARNEGIE MELLON UNIVERSITY "AS IS" AND ANY EXPRESSED OR IMPLIED
# WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS
# FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL CARNEGIE MELLON UNIVERSITY NOR ITS
# EMPLOYEES BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
# DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
# DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
# IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT
# OF THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""


def dictionary() -> set[str]:
    """The dictionary's words of letters and apostrophes."""
    lines = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict")).read_text("utf-8")
    return {word for line in lines.splitlines() if _WORD.fullmatch(word := line.split()[0])}


def vocabulary(folder: Path) -> set[str]:
    """Words, lower case, that are one token of the recognizer in `folder`."""
    tokens = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    return {token[1:].lower() for token in tokens if token.startswith(_SPACE)}


def main() -> None:
    common = vocabulary(Path(ensure()))
    lines = [word + COMMON * (word in common) for word in sorted(dictionary())]
    with gzip.GzipFile(WORDS, "wb", mtime=0) as file:
        file.write((NOTICE + "\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
