"""What clients of other projects do with errors and with all formats; their examples are in
docs/integrations.md, and run as those of the other pages."""

import subprocess

from tests.snippets import ROOT, integrations_python

HAYSTACK = """
from haystack_integrations.components.converters.docling_serve import DoclingServeConverter
converter = DoclingServeConverter(base_url={url!r}, export_type={form!r}, timeout=100)
"""


def run(code: str, check: bool = True) -> str:
    done = subprocess.run(
        [integrations_python(), "-c", code],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert not check or done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_docling_reads_our_documents(base_url: str) -> None:
    code = """
from docling_core.types.doc import DoclingDocument
(found,) = converter.run(sources=["tests/samples/receipt.pdf"])["documents"]
document = DoclingDocument.model_validate_json(found.content)
print(document.export_to_markdown())
assert document.pages[1].size.width > 100
assert document.tables[0].data.num_cols == 2
assert all(item.prov[0].page_no == 1 for item, _ in document.iterate_items())
"""
    printed = run(HAYSTACK.format(url=base_url, form="json") + code)
    assert "Espresso" in printed
    assert "Olive oil" in printed


def test_haystack_goes_on_without_a_document_that_fails(base_url: str) -> None:
    code = """
from haystack.dataclasses import ByteStream
broken = ByteStream(b"no document", meta={"file_name": "broken.pdf"})
answer = converter.run(sources=[broken, "tests/samples/receipt.pdf"])
(document,) = answer["documents"]
print(document.content)
"""
    printed = run(HAYSTACK.format(url=base_url, form="text") + code)
    assert "Espresso" in printed
    assert "broken.pdf" in printed
    assert "400" in printed


def test_litellm_raises_what_the_server_says(base_url: str) -> None:
    code = f"""
import litellm
document = {{"type": "document_url", "document_url": "data:application/pdf;base64,bm90aGluZw=="}}
litellm.ocr(model="mistral/x", api_base={base_url + "/v1"!r}, api_key="k", document=document)
"""
    printed = run(code, check=False)
    assert "BadRequestError" in printed
    assert "invalid_document" in printed
