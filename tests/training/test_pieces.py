"""Pieces that are trained on are those of the server, and say where their characters stand."""

import random
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from qwen_ocr_serve.documents.analysis import analyse
from training import chinese
from training.muon import orthogonalised
from training.page_drawing import draw_page
from training.pieces import PiecePool, cut_page
from training.samples import Line, Sample
from training.scripts import Script, for_validation
from training.text import DICTIONARIES


def _page_of_bars(gaps: list[int]) -> tuple[np.ndarray, Line]:
    """Upright bars, each a character of its own, with spaces of so many pixels between them."""
    page = np.full((600, 1400), 255, dtype=np.uint8)
    lefts = 100 + np.cumsum([0, *(gap + 6 for gap in gaps)])
    for left in lefts:
        page[80:110, left : left + 6] = 0
    edges = np.stack((lefts, lefts + 6), axis=1).ravel().astype(np.float64)
    text = " ".join("I" for _ in lefts)
    return page, Line(text, edges, np.full(len(edges), 95.0), 30.0)


def test_characters_are_where_their_ink_is_also_behind_shortened_gaps() -> None:
    page, line = _page_of_bars([8, 8, 200, 8, 8, 8, 90, 8, 20, 8])
    (sample,) = cut_page(page, [line])
    (found,) = sample.lines
    ink = (sample.image < 128).any(axis=0)
    starts = np.flatnonzero(np.diff(ink.astype(int)) == 1) + 1
    assert found.text == line.text
    assert len(starts) == 11
    # A character's left edge is its bar's.
    assert np.abs(found.edges[::2] - starts).max() < 2
    # The gap of 200 pixels is shorter than it was, even though all is smaller.
    assert max(b - a for a, b in pairwise(found.edges)) < 60


@pytest.fixture(scope="module", params=["latin", "chinese"])
def script(request: pytest.FixtureRequest) -> Script:
    """What pages of a script are drawn with, in families that are not trained on."""
    lists = [chinese.DICTIONARY, *(Path("/usr/share/dict", name) for name in DICTIONARIES)]
    if missing := [str(path) for path in lists if not path.exists()]:
        pytest.skip(f"not installed: {', '.join(missing)}; see serve/training/README.md")
    try:
        return for_validation()[request.param]
    except RuntimeError as error:
        pytest.skip(str(error))


def test_the_text_of_pieces_is_that_of_the_page(script: Script) -> None:
    rng = random.Random(4)
    kept = cut = 0
    for _ in range(6):
        page, lines = draw_page(rng, script, strength=0.0)
        samples = list(cut_page(page, lines))
        assert samples
        for sample in samples:
            assert any(sample.text in line.text for line in lines)
            assert all(0 <= edge <= sample.image.shape[1] + 1 for edge in sample.lines[0].edges)
        found = analyse(Image.fromarray(page), 150)
        if found.layout.turned == 0 and found.layout.skew == 0:
            kept, cut = kept + len(samples), cut + len(found.pieces)
    assert kept > 0.7 * cut > 0  # those that are left out are few


def test_a_pool_gives_pieces_of_one_size(script: Script) -> None:
    pool = PiecePool(script)
    samples: list[Sample] = pool.take(random.Random(1), 800, strength=1.0)
    assert len({sample.image.shape for sample in samples}) == 1
    assert len(samples) > 1


def test_muon_steps_have_equal_singular_values() -> None:
    torch.manual_seed(0)
    for shape in ((1, 48, 16), (1, 16, 48), (2, 32, 32)):
        values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
        assert float(values.max()) < 1.3
        assert float(values.median()) > 0.6
