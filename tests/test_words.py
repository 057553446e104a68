"""Messages, help texts and docs say one word for one thing, in plain technical English.

To cover more files, add their globs to COVERED. A word in WORDS needs a replacement, an example and a counterexample.
"""

from __future__ import annotations

import ast
import io
import re
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from lookalike import cli

ROOT = Path(__file__).resolve().parents[1]

# Globs of files: Python (string literals), Markdown and HTML (text outside code), TOML (comments).
COVERED = (
    "CHANGELOG.md",
    "README.md",
    "SECURITY.md",
    "benchmarks/**/*.py",
    "docs/access.md",
    "docs/architecture.md",
    "docs/cifar10.md",
    "docs/explore.md",
    "docs/footage.md",
    "docs/http.md",
    "docs/images.md",
    "docs/index.md",
    "docs/ingest.md",
    "docs/monitoring.md",
    "docs/page.md",
    "docs/regions.md",
    "docs/search.md",
    "docs/serving.md",
    "docs/speed.md",
    "docs/training.md",
    "docs/trust.md",
    "examples/*.py",
    "exporters/**/*.py",
    "lookalike/__init__.py",
    "lookalike/cli/__init__.py",
    "lookalike/cli/evaluate.py",
    "lookalike/cli/explore.py",
    "lookalike/cli/extras.py",
    "lookalike/cli/flags.py",
    "lookalike/cli/footage.py",
    "lookalike/cli/frames.py",
    "lookalike/cli/keys.py",
    "lookalike/cli/maintenance.py",
    "lookalike/cli/renew.py",
    "lookalike/cli/search.py",
    "lookalike/cli/serve.py",
    "lookalike/cli/snapshot.py",
    "lookalike/cli/stand_ins.py",
    "lookalike/cli/train.py",
    "lookalike/client.py",
    "lookalike/session.py",
    "lookalike/console.py",
    "lookalike/contract.py",
    "lookalike/demo/*.py",
    "lookalike/encoder.py",
    "lookalike/errors.py",
    "lookalike/explore/*.py",
    "lookalike/files/*.py",
    "lookalike/footage/*.py",
    "lookalike/graph_check.py",
    "lookalike/index/**/*.py",
    "lookalike/ingest/*.py",
    "lookalike/keys.py",
    "lookalike/lazy.py",
    "lookalike/parts.py",
    "lookalike/pixels.py",
    "lookalike/progress.py",
    "lookalike/region.py",
    "lookalike/report/*.html",
    "lookalike/report/*.py",
    "lookalike/runtime.py",
    "lookalike/samples.py",
    "lookalike/search/*.py",
    "lookalike/search_fields.py",
    "recipes/*.toml",
    "serving/**/*.py",
    "serving/ui/**/*.html",
    "training/**/*.py",
)
VERBS = (  # whose --help is covered
    *("pretrain", "export", "refit", "info", "evaluate", "search", "locate", "outliers", "duplicates", "cluster"),
    *("stats", "verify", "forget", "reindex", "snapshot", "restore", "serve", "demo", "index", "embed", "keys"),
)


class Word(NamedTuple):
    """A pattern to avoid. say: instead. bad: a sentence that it matches. good: one that it does not."""

    pattern: str
    say: str
    bad: str
    good: str


WORDS = (
    Word(r"\bfloors?\b", "baseline", "It beats every floor.", "It beats every baseline."),
    Word(r"\bdisturb(?!ing)\w*", "perturb", "Disturbed frames", "Perturbed frames"),
    Word(r"\blast layer|\bServedEncoder\b|\btrained\.serve\b", "head", "the whitened last layer", "the head"),
    Word(r"\bspread of the (features|projections)\b|health\.spread", "feature_std", "health.spread", "evenly spread"),
    Word(r"\b(public|frozen) (start|weights)\b", "pretrained weights", "a frozen start", "frozen stages"),
    Word(r"\bweights that exist\b|\bstart(s|ed)? from\b", "initial weights", "what it started from", "initial weights"),
    Word(r"\bupkeep\b", "maintenance", "the upkeep of an index", "maintenance"),
    Word(r"\bread(s|ing)? ahead\b", "prefetch", "frames are read ahead", "frames are prefetched"),
    Word(r"\bin other light\b|\bdraws? of the light\b", "perturbed, seed", "found in other light", "in other places"),
    Word(r"\bis none\b", "is missing, there is no ...", "None if there is none", "if it is None"),
    Word(
        r"(?<!there )\b(is|are) no (?!longer|more|less|better|worse)",
        "is not a",
        "'x' is no time",
        "if there is no time",
    ),
    Word(r"\bbeside\b", "next to, compared with", "a folder beside it", "besides, a folder next to it"),
    Word(r"\btold\b(?! apart)", "called with, reported", "told of each batch", "called after each batch"),
    Word(r"\bwhat is left of\b", "the rest of", "what is left of a run", "the rest of a run"),
    Word(r"\bsuch as are\b", "those that are", "such as are images", "such as images"),
    Word(r"\bbefall", "happens to", "what befalls a camera", "what happens to a camera"),
    Word(r"\band so (do|does|is|are)\b", "and also", "and so do others", "and so on"),
    Word(r"\bof one's own\b", "your own", "an encoder of one's own", "your own encoder"),
    Word(r"\brefusals?\b", "error", "the refusal of a request", "the request is refused"),
    Word(r"\basked by\b", "searched by", "the parts that were asked by", "searched by a part"),
    Word(r"\ba find\b", "a match", "what cosine is a find", "what a search finds"),
    Word(r"\bwho (asks|is there)\b", "authenticate", "a proxy that asks who is there", "who asked"),
    Word(r"(?<!lamp )\b(go|goes|going|went) on\b", "continue, resume", "the job goes on", "the lamp goes on"),
    Word(r"\banew\b", "again", "encoded anew", "encoded again"),
    Word(r"\bwhoever\b", "everyone who", "whoever reaches the port", "everyone who reaches the port"),
    Word(r"\bchang\w* over to\b", "switch to", "it is changed over to E", "changes over the clip"),
    Word(r"\bmade small\b", "reduce", "pictures are made small", "small pictures"),
    Word(r"\bin the main\b(?! \w)", "mostly", "what it shows in the main", "in the main process"),
    Word(r"\band that is said\b", "and this is reported", "the first is taken, and that is said", "as that is said"),
    Word(r"\btours?\b", "track, pipeline", "the tours of a region", "the contour"),
    Word(r"\bcut(s|ting)? (the )?pictures\b", "read pictures", "cutting pictures", "read pictures"),
)
AVOIDED = re.compile("|".join(f"(?P<w{number}>{word.pattern})" for number, word in enumerate(WORDS)), re.IGNORECASE)


def found_in(text: str) -> list[str]:
    """Words to avoid in a text, each with its replacement."""
    text = " ".join(text.split()).replace("None", "")  # lines are joined; Python's None is not a word
    return [f"{match[0]!r}: say {WORDS[int((match.lastgroup or 'w0')[1:])].say}" for match in AVOIDED.finditer(text)]


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a Python file: docstrings, messages, help texts."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def prose(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each paragraph outside code."""
    line = 1
    for block in re.split(r"(\n\s*\n)", source):
        if block.strip() and not block.startswith("    "):
            yield line, re.sub(r"`[^`]*`", "", block)
        line += block.count("\n")


def comments(source: str) -> Iterator[tuple[int, str]]:
    """All comments of a TOML file, as one text."""
    tomllib.loads(source)
    yield 1, "\n".join(line.partition("#")[2] for line in source.splitlines())


READERS = {".py": literals, ".md": prose, ".html": prose, ".toml": comments}
FILES = sorted({path for pattern in COVERED for path in ROOT.glob(pattern)})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_avoid_the_old_words(path: Path) -> None:
    texts = READERS[path.suffix](path.read_text(encoding="utf-8"))
    assert [f"line {line}: {word}" for line, text in texts for word in found_in(text)] == []


@pytest.mark.parametrize("verb", VERBS)
def test_help_avoids_the_old_words(verb: str) -> None:
    out = io.StringIO()
    with redirect_stdout(out):
        cli.main([verb, "--help"])
    assert "Usage: lookalike" in out.getvalue()
    assert found_in(out.getvalue()) == []


@pytest.mark.parametrize("pattern", COVERED)
def test_every_glob_covers_a_file(pattern: str) -> None:
    assert list(ROOT.glob(pattern))


@pytest.mark.parametrize("word", WORDS, ids=lambda word: word.say)
def test_a_word_is_found_where_it_is_and_only_there(word: Word) -> None:
    assert found_in(word.bad)
    assert found_in(word.good) == []


def test_strings_paragraphs_and_comments_are_read() -> None:
    source = 'def f():\n    """Docstring."""\n    raise E(f"{x} is bad")  # comment\n'
    assert [text for _, text in literals(source)] == ["Docstring.", " is bad"]
    assert list(prose("One `code`\nline.\n\n    code beside\n\nTwo.\n")) == [(1, "One \nline."), (6, "Two.\n")]
    assert list(comments("a = 1 # one\nb = 2\n# two\n")) == [(1, " one\n\n two")]
