"""No page that was read badly comes back in silence, and no task never learned is tried."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from qwen_ocr import AsyncOCRClient, LowConfidenceError, OCRClient, Task, UnsupportedTaskError
from qwen_ocr_serve.launch.local_server import LocalServer

SAMPLES = Path(__file__).parents[1] / "samples"
PARAGRAPH = SAMPLES / "paragraph.png"
TEXT = "Read all the text in the image."
BAD = ["mirrored", "blank"]


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    """A block of text as it is and in a mirror, and nothing at all."""
    upright = Image.open(PARAGRAPH)
    images = {
        "upright": upright,
        "mirrored": upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        "blank": Image.new("L", (160, 64), 255),  # so small that the model looks at it
    }
    files = {}
    for name, image in images.items():
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[name] = buffer.getvalue()
    return files


EXPECTED = {"upright": (), "mirrored": ("low_confidence",), "blank": ("no_text",)}


def chat_body(picture: bytes, prompt: str = TEXT, **more: Any) -> dict[str, Any]:
    url = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": prompt},
    ]
    return {"messages": [{"role": "user", "content": content}], "temperature": 0, **more}


def assert_headers(
    response: httpx2.Response, warnings: tuple[str, ...], sure: float | None
) -> None:
    assert response.status_code == 200
    assert response.headers.get("x-warnings") == (",".join(warnings) or None)
    shown = response.headers.get("x-confidence")
    assert (shown is None) == (sure is None)
    if shown is not None:
        assert float(shown) == pytest.approx(sure, abs=0.001)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_client(base_url: str, pictures: dict[str, bytes], name: str) -> None:
    with OCRClient(base_url) as client:
        result = client.ocr(pictures[name])
        stream = client.stream(pictures[name])
        assert "".join(stream) == result.text
    assert result.warnings == stream.result.warnings == EXPECTED[name]
    assert (result.confidence is None) == (name == "blank")
    assert result.words == ()


async def test_min_confidence(base_url: str, pictures: dict[str, bytes]) -> None:
    async with AsyncOCRClient(base_url) as client:
        assert (await client.ocr(pictures["upright"], min_confidence=0.8)).text
        for name in BAD:
            with pytest.raises(LowConfidenceError) as caught:
                await client.ocr(pictures[name], min_confidence=0.8)
            assert caught.value.partial.warnings == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_api_v1_ocr(http: httpx2.Client, pictures: dict[str, bytes], name: str) -> None:
    files = {"image": pictures[name]}
    response = http.post("/api/v1/ocr", files=files)
    body = response.json()
    assert body["warnings"] == list(EXPECTED[name])
    assert_headers(response, EXPECTED[name], body["confidence"])
    assert bool(body["message"]) == bool(EXPECTED[name])
    plain = http.post("/api/v1/ocr", files=files, headers={"Accept": "text/plain"})
    assert plain.text == body["data"][0] + "\n"
    assert_headers(plain, EXPECTED[name], body["confidence"])


@pytest.mark.parametrize("name", EXPECTED)
def test_chat(http: httpx2.Client, pictures: dict[str, bytes], name: str) -> None:
    response = http.post("/v1/chat/completions", json=chat_body(pictures[name]))
    body = response.json()
    assert body["qwen_ocr"]["warnings"] == list(EXPECTED[name])
    assert_headers(response, EXPECTED[name], body["qwen_ocr"]["confidence"])
    # Asked for by the server alone, so they are not the caller's.
    assert body["choices"][0]["logprobs"] is None
    asked = chat_body(pictures[name], logprobs=True, top_logprobs=2)
    kept = http.post("/v1/chat/completions", json=asked).json()
    assert len(kept["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == 2
    assert kept["qwen_ocr"]["warnings"] == body["qwen_ocr"]["warnings"]


def test_chat_without_one_picture_is_as_ever(
    http: httpx2.Client, pictures: dict[str, bytes]
) -> None:
    two = chat_body(pictures["upright"])
    two["messages"][0]["content"].insert(0, two["messages"][0]["content"][0])
    none = {"messages": [{"role": "user", "content": "Go on."}], "max_tokens": 5}
    several = chat_body(pictures["blank"], n=2, max_tokens=5) | {"temperature": 0.5}
    for body in (two, none, several):
        response = http.post("/v1/chat/completions", json=body | {"max_tokens": 5})
        assert response.status_code == 200, response.text
        assert "qwen_ocr" not in response.json()
        assert not {"x-confidence", "x-warnings"} & set(response.headers)


def test_an_openai_sdk_sees_it(base_url: str, pictures: dict[str, bytes]) -> None:
    with openai.OpenAI(base_url=f"{base_url}/v1", api_key="none") as client:
        answer = client.chat.completions.create(model="mini", **chat_body(pictures["mirrored"]))
    assert answer.model_extra is not None
    assert answer.model_extra["qwen_ocr"]["warnings"] == ["low_confidence"]


@pytest.fixture(scope="session")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server whose model does not say by its name what it is."""
    log = tmp_path_factory.mktemp("renamed") / "server.log"
    with LocalServer(log, ["--served-model-name", "reader"]) as server:
        server.wait_until_ready()
        yield server.base_url


@pytest.fixture(scope="session", params=["mini", "renamed"])
def any_url(request: pytest.FixtureRequest) -> str:
    """The bundled model, under its own and another name."""
    url: str = request.getfixturevalue("base_url" if request.param == "mini" else "renamed")
    return url


def test_the_list_of_models_tells_what_they_can(any_url: str) -> None:
    (card,) = httpx2.get(f"{any_url}/v1/models").json()["data"]
    about = card["qwen_ocr"]
    assert (about["family"], about["tasks"], about["reads"]) == ("mini", ["text"], "blocks")
    assert {"object", "created", "owned_by", "max_model_len"} <= set(card)


FORMS: dict[str, dict[str, Any]] = {
    "JSON": {"response_format": {"type": "json_object"}},
    "a schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": {"type": "object"}},
        }
    },
    "vLLM's form": {"structured_outputs": {"json": {"type": "object"}}},
    "tools": {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
}
PROMPTS = [*(task.value for task in Task if task != Task.TEXT), Task.KEY_VALUE(["total"])]


def test_the_server_refuses_what_the_model_never_learned(
    any_url: str, pictures: dict[str, bytes]
) -> None:
    picture = pictures["upright"]
    with httpx2.Client(base_url=any_url, timeout=60) as http:
        bodies = [chat_body(picture, prompt) for prompt in PROMPTS]
        bodies += [chat_body(picture, **form) for form in FORMS.values()]
        for body in [*bodies, bodies[0] | {"stream": True}]:
            response = http.post("/v1/chat/completions", json=body)
            assert response.status_code == 400, response.text
            error = response.json()["error"]
            assert error["code"] == "unsupported_task"
            assert "serve a larger model" in error["message"]
        for prompt in PROMPTS:
            request = {"image": base64.b64encode(picture).decode(), "text": prompt}
            response = http.post("/api/v1/ocr", json=request)
            assert response.status_code == 422
            assert response.json()["code"] == "unsupported_task"
        for body in (
            chat_body(picture, response_format={"type": "text"}),
            chat_body(picture, "Read the table."),
        ):
            assert http.post("/v1/chat/completions", json=body).status_code == 200


def test_the_client_refuses_before_the_picture_is_sent(
    any_url: str, pictures: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    send = httpx2.Client.send

    def note(client: httpx2.Client, request: httpx2.Request, **options: Any) -> httpx2.Response:
        sent.append(request.url.path)
        return send(client, request, **options)

    monkeypatch.setattr(httpx2.Client, "send", note)
    with OCRClient(any_url) as client:
        for task in (Task.MARKDOWN, Task.KEY_VALUE(["total"])):
            with pytest.raises(UnsupportedTaskError, match="serve a larger model"):
                client.ocr(pictures["upright"], task)
        with pytest.raises(UnsupportedTaskError):
            client.locate(pictures["upright"])
        assert sent == ["/v1/models"]
        # What it learned of the server is what images are fitted to, too.
        assert client.plan(Image.new("L", (320, 320))).tokens == 400
