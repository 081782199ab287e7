"""A playbook is understood as a whole or refused line by line; what it asks for is heard."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import document, playbook
from engine.document import MAX_BYTES, MAX_DEPTH
from engine.events import SessionType, Word
from engine.matching import (
    Finding,
    Matcher,
    MustSayTicked,
    NeverSayHeard,
    Role,
    Sentence,
    StageReached,
    split,
)
from engine.phrases import Phrases, Spoken, compiled, pattern, tokens
from engine.playbook import SESSION_TYPES, Playbook, PlaybookError

SHIPPED = (playbook.SHIPPED / "car_sales.yaml").read_text(encoding="utf-8")


CAR_SALES = playbook.parse(SHIPPED.encode())


@pytest.fixture
def car_sales() -> Playbook:
    return CAR_SALES


def words(text: str, start_ms: int = 0) -> list[Word]:
    """Words of 200 ms each, one right after the other."""
    return [
        (word, start_ms + 200 * index, start_ms + 200 * index + 200, 0.9)
        for index, word in enumerate(text.split())
    ]


def heard(
    book: Playbook, text: str, session_type: SessionType = "pitch", role: Role = "salesperson"
) -> list[Finding]:
    return Matcher(book, session_type, role).push(1, words(text))


def line_of(text: str, nth: int = 1) -> int:
    """The line of SHIPPED that holds the `nth` occurrence of `text`."""
    at = -1
    for _ in range(nth):
        at = SHIPPED.index(text, at + 1)
    return SHIPPED.count("\n", 0, at) + 1


def faults(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(PlaybookError) as refused:
        playbook.parse(text if isinstance(text, bytes) else text.encode())
    return [(fault.line, fault.message) for fault in refused.value.faults]


# The playbook that every node has


def test_the_shipped_playbook_has_ten_objections_and_stages_for_every_type(
    car_sales: Playbook,
) -> None:
    assert [objection.code for objection in car_sales.objections] == [
        "price_too_high",
        "need_to_think",
        "payment_too_high",
        "trade_in_too_low",
        "talk_to_spouse",
        "cheaper_elsewhere",
        "just_looking",
        "interest_rate",
        "condition_worry",
        "ev_range",
    ]
    assert (car_sales.id, car_sales.language) == ("car_sales", "en")
    for session_type in SESSION_TYPES:
        assert len(car_sales.stages.of(session_type)) >= 5
        assert any(session_type in must.sessions for must in car_sales.must_say)
    assert set(car_sales.cards) == {objection.code for objection in car_sales.objections}


def test_a_card_says_nothing_that_must_never_be_said(car_sales: Playbook) -> None:
    for card in car_sales.cards.values():
        for session_type in SESSION_TYPES:
            found = heard(car_sales, f"{card.say} {card.ask}", session_type)
            assert [each for each in found if isinstance(each, NeverSayHeard)] == []


def test_what_is_said_instead_is_allowed(car_sales: Playbook) -> None:
    for never in car_sales.never_say:
        found = heard(car_sales, never.instead)
        assert [each for each in found if isinstance(each, NeverSayHeard)] == []


def test_a_phrase_of_one_objection_gives_no_other_away(car_sales: Playbook) -> None:
    """The signs stand for what they may match least of: one word, none, the bare stem."""
    plain = {
        objection.code: [
            re.sub(r"/\S+", "", phrase.replace("... ", "").replace("*", ""))
            for phrase in objection.phrases
        ]
        for objection in car_sales.objections
    }
    for objection in car_sales.objections:
        found = {
            code
            for code, each in plain.items()
            if any(compiled(objection.phrases).find(Spoken(one.split())) for one in each)
        }
        assert found == {objection.code}


def test_the_digest_tells_contents_apart_and_the_layout_does_not_count(
    car_sales: Playbook,
) -> None:
    spaced = playbook.parse(SHIPPED.replace("\n\n", "\n\n# a remark\n\n").encode())
    assert spaced.digest == car_sales.digest
    changed = playbook.parse(SHIPPED.replace("Price too high", "The price, too high").encode())
    assert changed.version == car_sales.version
    assert changed.digest != car_sales.digest


# Errors, each with its line and with what to do


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        ("language: en", "language: English", line_of("language: en"), "lower-case letters"),
        ("\nid: car_sales", "", line_of("id: car_sales"), "`id` is missing here: add it"),
        ("must_say:", "must_sey:", line_of("must_say:"), "write `must_say`"),
        (
            "      title: Price too high\n",
            f"      title: {'high ' * 9}\n",
            line_of("      title: Price too high"),
            "at most 40 fit: shorten it",
        ),
        (
            "      avoid: Running the other dealer down.\n",
            "",
            line_of("      title: Cheaper elsewhere") - 1,
            "`avoid` is missing here",
        ),
        (
            "sessions: [pitch]",
            "sessions: [pitches]",
            line_of("sessions: [pitch]"),
            "'pitches' is not one of 'pitch', 'objection' or 'closing': use one of them.",
        ),
        (
            "      - too expensive\n",
            "      - ... too expensive\n",
            line_of("      - too expensive"),
            "begins or ends with ... or *: begin and end it with a word",
        ),
        (
            "      - bulletproof\n",
            "      - bu*et\n",
            line_of("      - bulletproof"),
            "neither a word nor a sign: correct it",
        ),
        (
            "      - bulletproof\n",
            "      - a* proof\n",
            line_of("      - bulletproof"),
            "write three letters at least before the *",
        ),
        (
            "      - It costs too much.\n",
            "      - Expensive.\n",
            line_of("      - It costs too much."),
            "is not a sentence",
        ),
        (
            "  - code: need_to_think\n",
            "  - code: price_too_high\n",
            line_of("  - code: need_to_think"),
            f"'price_too_high' stands at line {line_of('code: price_too_high')} already",
        ),
        (
            "      - It costs too much.\n",
            "      - THE PRICE is too high!\n",
            line_of("      - It costs too much."),
            "'the price is too high' stands at line",
        ),
        (
            "title: Car sales",
            "title:\n  - Car sales",
            line_of("title: Car sales"),
            "`title` must be a text",
        ),
        (
            "title: Car sales",
            "title: ''",
            line_of("title: Car sales"),
            "`title` is empty: write something.",
        ),
        (
            'version: "1.0"',
            'version: "1.0"\nversion: 2',
            line_of('version: "1.0"') + 1,
            f"`version` stands here and at line {line_of('version:')}: delete one of them",
        ),
        ("title: Car sales", "title: Car: sales", line_of("title: Car sales"), "not YAML"),
        ("title: Car sales", "title: *title", line_of("title: Car sales"), "put a text with *"),
        ("title: Car sales", "title: &t Car", line_of("title: Car sales"), "put a text with &"),
        (
            "title: Car sales",
            "title: !!python/object/apply:os.getpid []",
            line_of("title: Car sales"),
            "put a text with !",
        ),
        ("title: Car sales", "title: a\x07b", line_of("title: Car sales"), "invisible character"),
        ("title: Car sales", "{a: b}: c", line_of("title: Car sales"), "A key must be text"),
        ("\nordinary:\n", "\n---\nordinary:\n", line_of("\nordinary:") + 1, "second document"),
    ],
)
def test_an_error_is_told_with_its_line_and_with_what_to_do(
    old: str, new: str, line: int, told: str
) -> None:
    assert old in SHIPPED
    found = faults(SHIPPED.replace(old, new, 1))
    assert any(at == line and told in message for at, message in found), found


def test_all_errors_are_told_at_once_in_the_order_of_lines() -> None:
    broken = (
        SHIPPED.replace("language: en", "language: ENGLISH")
        .replace("      - bulletproof\n", "      - ...\n")
        .replace("  - code: ev_range\n", "  - code: interest_rate\n")
    )
    lines = [line for line, _ in faults(broken)]
    assert lines == [
        line_of("language: en"),
        line_of("      - bulletproof"),
        line_of("  - code: ev_range"),
    ]


def test_an_entry_too_many_and_one_too_few_are_told() -> None:
    many = SHIPPED.replace(
        "ordinary:\n",
        "ordinary:\n" + "".join(f"  - This is sentence number {n}.\n" for n in range(60)),
    )
    assert faults(many) == [
        (line_of("\nordinary:") + 1, "`ordinary` may have 100 entries at most: leave some out.")
    ]
    at = SHIPPED.index("\nordinary:")
    few = SHIPPED[:at] + "\nordinary:\n  - What is the price?\n"
    assert faults(few) == [
        (line_of("\nordinary:") + 1, "`ordinary` needs 20 entries or more: add some.")
    ]


def test_the_totals_are_limited() -> None:
    at = SHIPPED.index("\nobjections:")
    rules = "".join(
        f"  - code: more_{rule}\n    title: More\n    reason: None.\n    instead: Nothing at all.\n"
        "    phrases:\n" + "".join(f"      - phrase {rule} number {n}\n" for n in range(30))
        for rule in range(17)
    )
    ((line, told),) = faults(SHIPPED[:at] + rules + SHIPPED[at:])
    assert line == 1
    assert re.fullmatch(r"There are \d+ phrases in all; at most 800: leave some out\.", told)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"# only a remark\n", "empty"),
        (b"just text", "`playbook` must hold `key: value` lines"),
        (b"- a\n- b\n", "`playbook` must hold `key: value` lines"),
        (b"id: \xff\xfe", "not UTF-8"),
        (b"a: " + b"[" * 500, f"nested more than {MAX_DEPTH} deep"),
        (b"[" * MAX_BYTES, f"nested more than {MAX_DEPTH} deep"),
        (b"x" * (MAX_BYTES + 1), "larger than 128 KiB"),
        (b"a: [" + b"x, " * 6_000 + b"]", "more than 5000 values"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\n", "is an anchor"),
        (b"%TAG ! tag:x,2000:\n---\n!x y\n", "is a tag"),
        (b"a: 'open", "not YAML"),
        (b"\tid: x", "not YAML"),
        (b"id: x\x00", "invisible character"),
    ],
)
def test_a_hostile_file_is_refused_with_one_sentence(content: bytes, told: str) -> None:
    ((line, message),) = faults(content)
    assert line >= 1
    assert told in message


def test_scalars_are_text_as_they_were_written() -> None:
    read = document.read(b"version: 1.0\nanswer: no\nempty:\nlist: [1, ~]\n")
    assert read.value == {"version": "1.0", "answer": "no", "empty": "", "list": ["1", "~"]}
    assert (read.line(("answer",)), read.line(("list", 1)), read.line(("list", "gone"))) == (
        2,
        4,
        4,
    )


SMALL = "\n".join(SHIPPED.splitlines()[16:60])
SIGNS = (
    "- |: |\n|  |[|]|{|}|*a|&a |!!str |>|'|\"|#|---\n|...\n|? |%|@|`|\t|\r\n|\u2028|\ufeff|null|id"
)
YAML_PIECES = st.sampled_from([*SIGNS.split("|"), "|\n"])


@given(
    st.one_of(
        st.binary(max_size=300),
        st.lists(YAML_PIECES, max_size=60).map(lambda parts: "".join(parts).encode()),
        st.tuples(st.integers(0, len(SMALL)), st.integers(0, 20), YAML_PIECES).map(
            lambda cut: (SMALL[: cut[0]] + cut[2] + SMALL[cut[0] + cut[1] :]).encode()
        ),
    )
)
@settings(max_examples=300)
def test_whatever_stands_in_a_file_it_is_refused_by_lines_that_it_has(content: bytes) -> None:
    breaks = re.findall("\r\n|[\r\n\x85\u2028\u2029]", content.decode("utf-8", "replace"))
    for line, message in faults(content):
        assert 1 <= line <= len(breaks) + 1
        assert message.endswith(".")


# Phrases


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("test drive", "How about a TEST-DRIVE, then?", "TEST-DRIVE,"),
        ("test drive", "the latest drive", None),
        ("that is fair", "That’s fair enough.", "That’s fair"),
        ("can not do it", "I can't do it.", "can't do it."),
        ("can not do it", "I cannot do it.", "cannot do it."),
        ("guarantee* approval", "Guaranteed approval!", "Guaranteed approval!"),
        (
            "guarantee* ... approv*",
            "I guarantee you will be approved.",
            "guarantee you will be approved.",
        ),
        ("guarantee* ... approval", "I guarantee a lot of very nice things, approval.", None),
        ("ask my wife/husband", "I'd ask my husband, maybe.", "ask my husband,"),
        ("i am * with", "Hi, I'm Joe with City Cars.", "I'm Joe with"),
        ("i am * with", "I'm with you.", None),
        ("0 percent", "We have 0% today.", "0%"),
        ("5000 down", "Only $5,000 down.", "$5,000 down."),
        ("fiancee", "Ask my fiancée.", "fiancée."),
        ("it is over", "Its over", None),
    ],
)
def test_a_phrase_matches_words_as_they_are_spoken(
    phrase: str, text: str, found: str | None
) -> None:
    said = text.split()
    matches = Phrases([phrase]).find(Spoken(said))
    assert [" ".join(said[match.first : match.last + 1]) for match in matches] == (
        [found] if found else []
    )


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("I guarantee approval", True),
        ("I can't guarantee approval", False),
        ("we never ever guarantee approval", False),
        ("without a guarantee approval is open", False),
        ("Don't you worry, I guarantee approval", True),
        ("not one of us would dare to guarantee approval", True),
    ],
)
def test_a_negation_just_before_takes_a_guarded_phrase_back(text: str, counts: bool) -> None:
    guarded = Phrases(["guarantee approval"], unless_negated=True)
    assert bool(guarded.find(Spoken(text.split()))) is counts


@given(st.lists(st.text(max_size=12), max_size=40))
def test_any_words_can_be_searched_and_matches_lie_among_them(said: list[str]) -> None:
    spoken = Spoken(said)
    assert tokens(" ".join(spoken.tokens)) == spoken.tokens
    for match in Phrases(["a", "the ... a", "not * a", "abc*"]).find(spoken):
        assert 0 <= match.first <= match.last < len(said)


@given(st.text(alphabet="ab*./' -()[]\\+?^$|", max_size=30))
def test_any_phrase_is_refused_or_matches_only_by_the_documented_signs(phrase: str) -> None:
    try:
        expression = pattern(phrase)
    except ValueError:
        return
    assert re.compile(expression)
    assert Phrases([phrase]).find(Spoken(["zzz"] * 10)) == []


# What is heard on a track


@pytest.mark.parametrize(
    ("session_type", "text", "code"),
    [
        ("pitch", "Good morning, folks.", "greeting"),
        ("pitch", "So, what brings you in today?", "needs"),
        ("pitch", "You said safety is important to you.", "presentation"),
        ("pitch", "Shall we take it for a spin?", "test_drive"),
        ("pitch", "When can you come back with her?", "next_step"),
        ("objection", "Help me understand that.", "listen"),
        ("objection", "I hear you, it's a lot of money.", "acknowledge"),
        ("objection", "Is it the price or the payment?", "question"),
        ("objection", "Here's what we could do.", "answer"),
        ("objection", "Does that answer your question?", "confirm"),
        ("closing", "Let me recap what we have.", "summary"),
        ("closing", "If we can get there, would you take it today?", "trial_close"),
        ("closing", "It's thirty thousand out the door.", "terms"),
        ("closing", "Are you ready to take it home?", "ask"),
        ("closing", "Congratulations, you made a good choice.", "next_step"),
    ],
)
def test_a_stage_is_reached_by_its_cue(
    car_sales: Playbook, session_type: SessionType, text: str, code: str
) -> None:
    found = heard(car_sales, text, session_type)
    stages = [each.stage.code for each in found if isinstance(each, StageReached)]
    assert code in stages


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("I guarantee you'll be approved.", "approval_promise"),
        ("Don't worry, your credit doesn't matter.", "approval_promise"),
        ("You pay no interest at all.", "false_interest"),
        ("Don't worry about the price, only the payment matters.", "payment_only"),
        ("You have to buy the extended warranty.", "tied_extras"),
        ("The bank requires the GAP insurance and the warranty.", None),
        ("The lender requires the extended warranty.", "tied_extras"),
        ("You've got three days to return it.", "return_promise"),
        ("This one has never been in an accident.", "history_claim"),
        ("Honestly, it's bulletproof.", "reliability_promise"),
        ("I guarantee you three hundred miles.", "range_promise"),
        ("You won't find it cheaper.", "best_price"),
        ("It's now or never.", "false_urgency"),
        ("Somebody else is coming to see it at five.", "false_urgency"),
        ("You'd be crazy to walk away.", "belittling"),
        ("Do you need her permission?", "spouse_pressure"),
        ("I need your permission to run your credit.", None),
        ("I can't guarantee that you'll be approved.", None),
        ("I would never say that you have to buy the warranty.", "tied_extras"),
        ("We don't guarantee the lowest price.", None),
        ("The warranty is optional.", None),
        ("The rate is four point nine percent, subject to credit approval.", None),
        ("The offer runs until Saturday the thirtieth.", None),
    ],
)
def test_what_must_never_be_said_is_heard_and_what_is_right_is_not(
    car_sales: Playbook, text: str, code: str | None
) -> None:
    found = heard(car_sales, text, "closing")
    codes = {each.never_say.code for each in found if isinstance(each, NeverSayHeard)}
    assert codes == ({code} if code else set())


def test_a_stage_and_a_must_say_are_told_once_a_never_say_each_time(car_sales: Playbook) -> None:
    matcher = Matcher(car_sales, "pitch", "salesperson")
    text = "My name is Ann. It's bulletproof. Yes, it is bulletproof."
    first = matcher.push(1, words(text, 1_000))
    assert [type(each) for each in first] == [
        StageReached,
        MustSayTicked,
        NeverSayHeard,
        NeverSayHeard,
    ]
    assert [each.span_ms for each in first if not isinstance(each, Sentence)] == [
        (1_000, 1_600),
        (1_000, 1_600),
        (2_000, 2_200),
        (2_800, 3_000),
    ]
    again = matcher.push(2, words(text, 9_000))
    assert [type(each) for each in again] == [NeverSayHeard, NeverSayHeard]


def test_growing_words_of_an_utterance_tell_nothing_twice(car_sales: Playbook) -> None:
    text = words("Welcome to City Cars. It will never break, it is bulletproof. It is bulletproof.")
    whole = Matcher(car_sales, "pitch", "both").push(1, text)
    growing = Matcher(car_sales, "pitch", "both")
    pieces = [
        each
        for end in range(1, len(text) + 1)
        for each in growing.push(1, text[:end], is_final=False)
    ]
    pieces += growing.push(1, text)
    assert sorted(map(repr, pieces)) == sorted(map(repr, whole))
    assert growing.push(1, text) == []


def test_roles_hear_what_is_theirs(car_sales: Playbook) -> None:
    text = "Welcome to City Cars. It is too expensive, and it is bulletproof."
    told = {
        role: {type(each) for each in heard(car_sales, text, "pitch", role)}
        for role in ("salesperson", "customer", "both")
    }
    assert told["salesperson"] == {StageReached, NeverSayHeard}
    assert told["customer"] == {Sentence}
    assert told["both"] == {StageReached, NeverSayHeard, Sentence}


def test_only_whole_sentences_are_handed_on_before_the_final(car_sales: Playbook) -> None:
    matcher = Matcher(car_sales, "objection", "customer")
    text = words("It's nice. But that is a lot of money. And")
    assert matcher.push(1, text[:5], is_final=False) == [Sentence(("It's", "nice."), (0, 400))]
    (second,) = matcher.push(1, text, is_final=False)
    assert isinstance(second, Sentence)
    assert " ".join(second.words) == "But that is a lot of money."
    assert second.span_ms == (400, 1_800)
    assert matcher.push(1, text) == []


def test_speech_without_full_stops_is_divided_at_commas() -> None:
    clause = "well I really do like the look of it and how it drives too,"
    pieces = split(words(f"{clause} {clause} {clause}"))
    assert [len(piece) for piece in pieces] == [28, 14]
    bare = split(words("word " * 70))
    assert [len(piece) for piece in bare] == [30, 30, 10]


@given(
    st.lists(
        st.tuples(st.text(max_size=12), st.integers(0, 10**7), st.integers(0, 10**7), st.just(1.0)),
        max_size=60,
    ),
    st.sampled_from(["salesperson", "customer", "both"]),
    st.booleans(),
)
@settings(max_examples=100)
def test_any_words_can_be_pushed_and_no_word_is_lost_from_sentences(
    said: list[Word], role: Role, is_final: bool
) -> None:
    assert [word for piece in split(said) for word in piece] == said
    matcher = Matcher(CAR_SALES, "closing", role)
    matcher.push(1, said, is_final=is_final)
    matcher.push(1, said)
    assert matcher.push(1, said) == []
