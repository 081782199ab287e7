"""A YAML document as plain values, with the line of each: for files that people write.

Every scalar is text, as it was written: `version: 1.0` is "1.0" and `no` is "no". What makes YAML
dangerous or surprising is refused: anchors, aliases, tags, keys that are not text, keys that stand
twice, more than one document. Building stops at the first limit that is passed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import yaml

Value = str | list["Value"] | dict[str, "Value"]
Path = tuple[str | int, ...]

MAX_BYTES = 128 * 1024
MAX_DEPTH = 8
MAX_VALUES = 5_000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at `line` (from 1), and what to do about it."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class DocumentError(ValueError):
    """The document cannot be used; `faults` are all that were found, in the order of lines."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.line)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(slots=True)
class Document:
    """`value` is the whole; `lines` has the line of each value (of a mapping's entry: its key's)
    by the keys and indexes that lead to it."""

    value: Value
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int:
        """Where `path` stands; of what is not there, where it would belong."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def read(content: bytes) -> Document:
    """Raises `DocumentError`."""
    if len(content) > MAX_BYTES:
        raise _error(1, f"The file is larger than {MAX_BYTES // 1024} KiB: shorten it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _error(line, "There is a character that is not UTF-8: save it as UTF-8.") from error
    try:
        return _Builder(text).document()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _error(line, "There is an invisible character: delete it and type anew.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "it is not understood"
        raise _error(
            mark.line + 1 if mark else 1,
            f"This is not YAML: {said}. Check the indentation, and put quotes round a text that "
            "holds a colon or begins with a sign.",
        ) from error


def _error(line: int, message: str) -> DocumentError:
    return DocumentError([Fault(line, message)])


class _Builder:
    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)
        self._faults: list[Fault] = []
        self._lines: dict[Path, int] = {}

    def document(self) -> Document:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            raise _error(1, "The file is empty: write the playbook into it.")
        value = self._value(self._next(), ())
        self._next()
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            line = after.start_mark.line + 1
            raise _error(line, "A second document begins here: keep one to a file.")
        if self._faults:
            raise DocumentError(self._faults)
        return Document(value, self._lines)

    def _next(self) -> yaml.Event:
        event: yaml.Event = next(self._events)
        return event

    def _value(self, event: yaml.Event, path: Path) -> Value:
        line = event.start_mark.line + 1
        self._lines.setdefault(path, line)
        if len(path) > MAX_DEPTH:
            raise _error(line, f"This is nested more than {MAX_DEPTH} deep: make it flatter.")
        if len(self._lines) > MAX_VALUES:
            raise _error(line, f"The file holds more than {MAX_VALUES} values: shorten it.")
        if isinstance(event, yaml.AliasEvent):
            raise _error(line, f"*{event.anchor} refers elsewhere: put a text with * in quotes.")
        if event.anchor is not None:
            raise _error(line, f"&{event.anchor} is an anchor: put a text with & in quotes.")
        if event.tag is not None:
            raise _error(line, f"{event.tag} is a tag: put a text with ! in quotes.")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        return str(event.value)

    def _sequence(self, path: Path) -> list[Value]:
        values: list[Value] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._value(event, (*path, len(values))))
        return values

    def _mapping(self, path: Path) -> dict[str, Value]:
        values: dict[str, Value] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            key = self._value(event, (*path, "?"))
            self._lines.pop((*path, "?"))
            if not isinstance(key, str):
                raise _error(line, "A key must be text: write `key: value`.")
            if key in values:
                first = self._lines[(*path, key)]
                self._faults.append(
                    Fault(line, f"`{key}` stands here and at line {first}: delete one of them.")
                )
                # What hangs from it is checked for form and forgotten.
                self._value(self._next(), (*path, f"{key} again"))
                continue
            self._lines[(*path, key)] = line
            values[key] = self._value(self._next(), (*path, key))
        return values
