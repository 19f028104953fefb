"""Fields that are filled from the page, and the same call as code.

The server refuses forms for the bundled model, which was not taught to fill any. So what a model
would answer is put in its place here; requests are those that the page makes.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Route, expect

from qwen_ocr.prompts import KEY_VALUE_PREFIX as PREFIX
from qwen_ocr.schemas import closed

SCHEMA = {
    "type": "object",
    "properties": {
        "paid": {"type": "boolean"},
        "items": {
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {"count": {"type": "integer", "minimum": 1, "maximum": 9}},
                "required": ["count"],
            },
        },
    },
    "required": ["paid", "items"],
}


def offered(page: Page) -> None:
    """As with a model that was taught it."""

    def answer(route: Route) -> None:
        config = route.fetch().json()
        assert config["fields_prompt"] is None
        route.fulfill(json=config | {"fields_prompt": PREFIX})

    page.route("**/page/config.json", answer)


@pytest.fixture
def fields(open_page: Callable[..., Page], samples: Path) -> Page:
    """The tab of a page that was read."""
    page = open_page(before=offered, permissions=["clipboard-read", "clipboard-write"])
    page.set_input_files("#file-input", samples / "line.png")
    expect(page.locator("#finish")).to_have_attribute("data-finish", "read")
    page.locator("#tab-fields").click()
    return page


def test_a_model_that_was_not_taught_it_is_not_asked(page: Page, samples: Path) -> None:
    page.set_input_files("#file-input", samples / "line.png")
    expect(page.locator("#tab-code")).to_be_visible()
    expect(page.locator("#tab-fields")).to_be_hidden()


def test_a_schema_becomes_a_form(fields: Page, answer: Callable[..., str]) -> None:
    body = answer(json.dumps({"paid": True, "items": [{"count": 3}, {"count": 4}]}))
    fields.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(body=body, content_type="text/event-stream"),
    )
    fields.get_by_label("Fields to fill").fill(json.dumps(SCHEMA))
    with fields.expect_request("**/v1/chat/completions") as sent:
        fields.get_by_role("button", name="Fill").click()
    request = json.loads(sent.value.post_data or "")
    assert request["response_format"]["json_schema"]["schema"] == closed(SCHEMA)
    prompt = request["messages"][0]["content"][1]["text"]
    assert json.loads(prompt.removeprefix(PREFIX)) == closed(SCHEMA)
    expect(fields.get_by_role("heading", name="Values on this page")).to_be_visible()
    expect(fields.get_by_label("count")).to_have_count(2)
    fields.get_by_label("count").first.fill("7")
    fields.get_by_role("button", name="Copy as JSON").click()
    expect(fields.get_by_role("button", name="Copied")).to_be_visible()
    copied = json.loads(fields.evaluate("navigator.clipboard.readText()"))
    assert copied == {"paid": True, "items": [{"count": 7}, {"count": 4}]}


def test_names_become_a_form_that_says_where_values_stand(
    fields: Page, answer: Callable[..., str]
) -> None:
    text = fields.locator("#text-view .word").first.text_content()
    values = {"First": text, "Missing": None}

    def reply(route: Route) -> None:
        request = json.loads(route.request.post_data or "")
        schema: dict[str, Any] = request["response_format"]["json_schema"]["schema"]
        assert schema["required"] == ["First", "Missing"]
        route.fulfill(body=answer(json.dumps(values)), content_type="text/event-stream")

    fields.route("**/v1/chat/completions", reply)
    fields.get_by_label("Fields to fill").fill(" First\n\nMissing\nFirst")
    fields.get_by_role("button", name="Fill").click()
    expect(fields.get_by_label("First")).to_have_value(text or "")
    expect(fields.locator(".fields-form")).to_contain_text("Stands in block 1 of the page")
    expect(fields.get_by_label("Missing")).to_have_attribute("placeholder", "not on this page")
    fields.locator("#language").click()
    expect(fields.get_by_role("button", name="复制为 JSON")).to_be_visible()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "Name at least one field"),
        ('{"type": "object",', "not a JSON Schema"),
        ('{"type": "array"}', "not a JSON Schema"),
        ('{"type": "object", "properties": {"a": {"type": "nothing"}}}', "The server refused"),
    ],
)
def test_what_cannot_be_filled_is_said(fields: Page, written: str, said: str) -> None:
    fields.get_by_label("Fields to fill").fill(written)
    fields.get_by_role("button", name="Fill").click()
    expect(fields.locator("#fields [role=alert]")).to_contain_text(said)
    expect(fields.get_by_role("button", name="Fill")).to_be_enabled()


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[Any]]]:
    """The address of a server that keeps what is sent to it, and answers as OpenAI does."""
    bodies: list[Any] = []
    message = {"role": "assistant", "content": '{"paid": true}'}
    answer = json.dumps({"choices": [{"index": 0, "message": message}]}).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/chat/completions"
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", bodies
        server.shutdown()


def test_the_code_runs_as_it_is(
    page: Page, recorder: tuple[str, list[Any]], samples: Path, tmp_path: Path
) -> None:
    origin, bodies = recorder
    prompt = f'{PREFIX} it\'s "a" $form \\n'
    shutil.copy(samples / "line.png", tmp_path / "it's.png")
    call = {"origin": origin, "model": "mini", "prompt": prompt, "type": "image/png"}
    snippets = page.evaluate(
        """async ([call, schema]) =>
            (await import("/page/fields-snippets.js")).fieldSnippets(call, schema)""",
        [{**call, "file": "it's.png"}, SCHEMA],
    )
    python, curl, javascript = (snippet["code"] for snippet in snippets)
    environment = {**os.environ, "QWEN_OCR_API_KEY": "none"}

    def run(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert run(sys.executable, "-c", python) == "{'paid': True}\n"
    message = json.loads(run("sh", "-ec", curl))["choices"][0]["message"]
    assert message["content"] == '{"paid": true}'
    assert len(bodies) == 2
    picture = base64.b64encode((samples / "line.png").read_bytes()).decode()
    for body in bodies:
        assert body["response_format"]["json_schema"]["schema"] == SCHEMA
        parts = {part["type"]: part for part in body["messages"][0]["content"]}
        assert parts["text"]["text"] == prompt
        assert parts["image_url"]["image_url"]["url"] == f"data:image/png;base64,{picture}"
    if shutil.which("node"):  # the SDK is not installed for it
        (tmp_path / "call.mjs").write_text(javascript)
        run("node", "--check", "call.mjs")


def test_the_code_is_shown_for_what_was_written(fields: Page) -> None:
    fields.get_by_label("Fields to fill").fill("Total amount")
    fields.get_by_text("The same call as code").click()
    code = fields.locator("#fields pre")
    expect(code).to_have_count(3)
    for text in code.all_text_contents():
        assert "Total amount" in text
        assert "line.png" in text


def test_axe_finds_nothing_serious_in_the_form_and_the_menu(
    fields: Page, answer: Callable[..., str]
) -> None:
    body = answer(json.dumps({"Total": "2.50", "Items": [{"Name": None}]}))
    fields.route(
        "**/v1/chat/completions",
        lambda route: route.fulfill(body=body, content_type="text/event-stream"),
    )
    fields.get_by_label("Fields to fill").fill("Total\nItems")
    fields.get_by_role("button", name="Fill").click()
    expect(fields.get_by_label("Name")).to_be_visible()
    fields.get_by_text("The same call as code").click()
    fields.get_by_role("button", name="Save as").click()
    expect(fields.get_by_role("button", name="Searchable PDF")).to_be_visible()
    found = Axe().run(fields).response["violations"]
    assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
