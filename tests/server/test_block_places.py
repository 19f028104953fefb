"""Places on a page, from a model that reads pages but does not tell places.

With another model's profile, the bundled weights are treated as such a one; they read short blocks
as a whole well enough.
"""

from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from qwen_ocr_serve.launch.local_server import LocalServer

INVOICE = Path(__file__).parents[1] / "evaluation/pages/invoice-clean.png"


def test_the_page_is_cut_into_blocks(tmp_path: Path) -> None:
    arguments = ["--profile", "qwen3-vl"]
    with LocalServer(tmp_path / "log", arguments) as server:
        server.wait_until_ready()
        url = f"{server.base_url}/v1/ocr"
        with INVOICE.open("rb") as file:
            asked = {"model": "any", "include_blocks": "true"}
            answer = httpx2.post(url, data=asked, files={"file": file}, timeout=120)
    assert answer.status_code == 200, answer.text
    (page,) = answer.json()["pages"]
    blocks = page["blocks"]
    assert [block["type"] for block in blocks] == ["title", "text", "text", "table", "text"]
    places = [
        tuple(block[f"{corner}_{axis}"] for corner in ("top_left", "bottom_right") for axis in "xy")
        for block in blocks
    ]
    assert places[0] == pytest.approx((229, 236, 526, 301), abs=12)
    assert all(above[3] < below[1] for above, below in pairwise(places))
    assert "Calle Mayor 54" in blocks[1]["content"]
    assert "Number: 73426" in page["markdown"]
