"""What a model was not taught is refused at once, whoever knows it: the table, or the server."""

import json
from typing import Any

import pytest
from pydantic import BaseModel

from qwen_ocr import ImageError, OCRResult, Task, TextBox, UnsupportedTaskError, family_of
from qwen_ocr.families import FAMILIES, why_unsupported
from qwen_ocr.prompts import TASKS, task_of

MINI: dict[str, Any] = {"model": "mini"}
UNNAMED: dict[str, Any] = {"model": None}


class Receipt(BaseModel):
    total: float


CALLS: dict[str, tuple[Any, ...]] = {
    **{task.name: ("ocr", task) for task in Task if task != Task.TEXT},
    "KEY_VALUE": ("ocr", Task.KEY_VALUE(["total"])),
    "stream": ("stream", Task.TABLE),
    "extract": ("extract", Receipt),
    "extract with a prompt": ("extract", Receipt, "What is the total?"),
    "locate": ("locate",),
}


def serve(server: Any, name: str, about: object) -> None:
    """Let the server list one model, and say this about it."""
    server.models.body = json.dumps({"data": [{"id": name, "qwen_ocr": about}]}).encode()


@pytest.mark.parametrize("name", CALLS)
def test_refused_before_an_image_is_sent(server: Any, call: Any, png: bytes, name: str) -> None:
    method, *arguments = CALLS[name]
    with pytest.raises(UnsupportedTaskError, match=r"mini.*only text.*serve a larger") as caught:
        call(server.url, method, png, *arguments, client=MINI)
    assert caught.value.code == "unsupported_task"
    assert server.chats == []


@pytest.mark.parametrize("name", CALLS)
def test_the_server_tells_it_whatever_the_model_is_called(
    server: Any, call: Any, png: bytes, name: str
) -> None:
    serve(server, "ocr", {"family": "mini", "tasks": ["text"]})
    method, *arguments = CALLS[name]
    with pytest.raises(UnsupportedTaskError):
        call(server.url, method, png, *arguments, client=UNNAMED)
    assert server.chats == []


def test_plain_text_and_other_words_are_sent(server: Any, ask: Any, png: bytes) -> None:
    for prompt in (Task.TEXT, "Read the total.", "qwenvl"):
        assert isinstance(ask(server.url, png, prompt, client=MINI), OCRResult)
    assert len(server.chats) == 3


def test_what_the_server_says_goes_before_the_name(
    server: Any, call: Any, png: bytes, answered: Any
) -> None:
    serve(server, "mini", {"family": "qwen3-vl", "tasks": list(TASKS)})
    server.answer(answered('[{"bbox_2d": [0, 0, 500, 1000], "text_content": "a"}]'))
    (box,) = call(server.url, "locate", png, client=UNNAMED)
    assert box == TextBox("a", (0, 0, 32, 48))


@pytest.mark.parametrize("about", [None, 7, {}, {"family": 3, "tasks": None}])
def test_the_name_tells_where_the_server_does_not(
    server: Any, call: Any, png: bytes, about: object
) -> None:
    serve(server, "mini", about)
    with pytest.raises(UnsupportedTaskError):
        call(server.url, "locate", png, client=UNNAMED)
    serve(server, "Qwen/Qwen3-VL-8B-Instruct", about)
    assert call(server.url, "ocr", png, Task.TABLE, client=UNNAMED).text


def test_a_family_of_the_future(server: Any, call: Any, png: bytes) -> None:
    serve(server, "x", {"family": "qwen9-vl", "tasks": ["text", "table", "smell"]})
    assert call(server.url, "ocr", png, Task.TABLE, client=UNNAMED).text
    with pytest.raises(UnsupportedTaskError, match="text, table, smell"):
        call(server.url, "ocr", png, Task.HTML, client=UNNAMED)


def test_a_bad_image_is_still_an_image_error(server: Any, call: Any) -> None:
    with pytest.raises(ImageError):
        call(server.url, "ocr", b"no image", Task.TEXT, client=MINI)


def test_task_of() -> None:
    assert [task_of(task) for task in Task] == list(TASKS[:-1])
    assert task_of(f"  {Task.MARKDOWN}\n") == "markdown"
    assert task_of(Task.KEY_VALUE({"total": ""})) == TASKS[-1]
    assert task_of("Read the total.") is None


def test_every_other_family_was_taught_everything() -> None:
    for family in FAMILIES:
        taught = [task for task in TASKS if why_unsupported(family, task) is None]
        if family.name not in ("mini", "dots.ocr", "lightonocr"):
            assert taught == list(TASKS)
    assert family_of("mini").tasks == ("text",)
    assert family_of("unknown").tasks == TASKS
