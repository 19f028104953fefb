"""Documents on the web page: what may be given, how it is read, and what is kept of it."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pikepdf
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Locator, Page, Route, expect

from qwen_ocr import OCRClient
from qwen_ocr_serve.launch.local_server import LocalServer

OCR = "**/v1/ocr"
DROP = """(files) => {
    const dataTransfer = new DataTransfer();
    for (const [name, type, data] of files) {
        const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
        dataTransfer.items.add(new File([bytes], name, { type }));
    }
    if (!files.length) dataTransfer.setData("text/plain", "no file");
    const options = { bubbles: true, cancelable: true, dataTransfer };
    for (const kind of ["dragenter", "dragover", "drop"]) {
        document.body.dispatchEvent(new DragEvent(kind, options));
    }
}"""


def drop(page: Page, *paths: Path) -> None:
    files = [
        (path.name, "application/octet-stream", base64.b64encode(path.read_bytes()).decode())
        for path in paths
    ]
    page.evaluate(DROP, files)


def give(page: Page, *paths: Path) -> None:
    page.set_input_files("#file-input", paths)


def expect_state(page: Page, state: str) -> None:
    """Of the page that is shown."""
    expect(page.locator("#finish")).to_have_attribute("data-finish", state)


def thumbnails(page: Page, state: str | None = None) -> Locator:
    return page.locator(f"#strip .thumbnail{f'[data-state={state}]' if state else ''}")


def test_a_dropped_picture_is_read_as_the_client_reads_it(
    page: Page, client: OCRClient, samples: Path
) -> None:
    path = samples / "receipt.png"
    with page.expect_request(OCR) as request:
        drop(page, path)
    expect_state(page, "read")
    sent: Any = request.value.post_data_json
    data = sent["document"]["image_url"].partition(",")[2]
    assert base64.b64decode(data) == path.read_bytes(), "a picture is sent as it is"
    expect(page.locator("#text-view")).to_contain_text("Espresso")
    (expected,) = client.read_document(path).pages
    assert expected.confidence is not None
    expect(page.locator("#finish")).to_have_text(f"Read, {expected.confidence:.0%} sure")
    expect(page.locator("#page-title")).to_have_text("receipt.png")
    expect(page.locator("#strip")).to_be_hidden()


def test_text_comes_while_the_page_is_read(page: Page) -> None:
    path = Path(__file__).parents[1] / "evaluation/pages/two-columns-clean.png"
    give(page, path)
    expect(page.locator("#text-view")).to_contain_text("the")
    expect_state(page, "reading")
    expect_state(page, "read")


def test_several_files_and_a_folder(page: Page, samples: Path, tmp_path: Path) -> None:
    drop(page, samples / "line.png", samples / "receipt.pdf")
    expect(thumbnails(page)).to_have_count(2)
    folder = tmp_path / "scans"
    folder.mkdir()
    for name in ("page 10.png", "page 9.png", ".hidden.png"):
        Image.open(samples / "small.png").save(folder / name)
    page.set_input_files("#folder-input", folder)
    expect(thumbnails(page, "read")).to_have_count(4)
    names = page.locator("#strip h3")
    expect(names).to_have_text(["line.png", "receipt.pdf", "page 9.png", "page 10.png"])
    expect(page.locator("#page-title")).to_have_text("page 9.png")
    expect(page.locator("#progress")).to_have_text("4 of 4 pages read")


def test_a_tiff_of_several_pages(page: Page, samples: Path, tmp_path: Path) -> None:
    path = tmp_path / "fax.tif"
    first, second = (Image.open(samples / name).convert("L") for name in ("line.png", "form.png"))
    first.save(path, save_all=True, append_images=[second], compression="tiff_lzw")
    give(page, path)
    expect(thumbnails(page, "read")).to_have_count(2)
    expect(page.locator("#strip img")).to_have_count(2)
    expect(page.locator("#text-view")).to_contain_text("days")


def test_a_picture_is_pasted(open_page: Callable[..., Page], samples: Path) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    data = base64.b64encode((samples / "line.png").read_bytes()).decode()
    page.evaluate(
        """async (data) => {
            const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
            const blob = new Blob([bytes], { type: "image/png" });
            await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        }""",
        data,
    )
    page.locator("body").press("Control+v")
    expect_state(page, "read")


def test_forty_pages_are_read_and_survive_a_reload(
    page: Page, many_pages: Callable[[int], Path]
) -> None:
    give(page, many_pages(40))
    expect(thumbnails(page)).to_have_count(40)
    expect(page.locator("#page-number")).to_have_text("1 of 40")
    expect(page.locator("#progress")).to_have_text("40 of 40 pages read", timeout=180_000)
    text = page.locator("#text-view").text_content()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(page.locator("#progress")).to_have_text("40 of 40 pages read")
    expect(page.locator("#text-view")).to_have_text(text or "-", use_inner_text=False)
    expect(page.locator("#strip img").first).to_be_visible()
    assert not [url for url in asked if "/v1/" in url], "what was read is kept"


def test_stop_and_go_on(page: Page, server: LocalServer, many_pages: Callable[[int], Path]) -> None:
    def running() -> int:
        with urlopen(f"{server.base_url}/health", timeout=30) as response:
            return int(json.load(response)["concurrent_requests"])

    give(page, many_pages(12))
    expect(thumbnails(page, "read").first).to_be_visible()
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(thumbnails(page, "reading")).to_have_count(0)
    done = thumbnails(page, "read").count()
    assert done < 12
    deadline = time.monotonic() + 20
    while running() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert running() == 0, "the server reads for nobody"
    thumbnails(page).nth(11).click()
    expect_state(page, "waiting")
    assert thumbnails(page, "read").count() == done
    page.get_by_role("button", name="Read this page").click()
    expect_state(page, "read")
    assert thumbnails(page, "read").count() == done + 1
    page.reload()
    expect(page.locator("#read-all")).to_have_text(f"Read all ({11 - done})")
    page.locator("#read-all").click()
    expect(page.locator("#progress")).to_have_text("12 of 12 pages read")
    expect(page.locator("#read-all")).to_be_hidden()


def test_the_page_that_is_shown_does_not_wait(
    page: Page, many_pages: Callable[[int], Path]
) -> None:
    give(page, many_pages(40))
    expect(thumbnails(page)).to_have_count(40)
    thumbnails(page).nth(30).click()
    expect_state(page, "read")
    assert thumbnails(page, "read").count() < 20
    expect(page.locator("#page-number")).to_have_text("31 of 40")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#page-number")).to_have_text("32 of 40")
    page.get_by_role("button", name="Stop", exact=True).click()


def test_two_pages_are_read_at_a_time(page: Page, many_pages: Callable[[int], Path]) -> None:
    waiting: list[Route] = []
    page.route(OCR, lambda route: waiting.append(route))
    give(page, many_pages(6))
    expect(thumbnails(page, "reading")).to_have_count(2)
    page.wait_for_timeout(500)
    assert len(waiting) == 2
    thumbnails(page).nth(4).click()
    expect(thumbnails(page, "reading")).to_have_count(3)
    assert thumbnails(page).nth(4).get_attribute("data-state") == "reading"


def test_three_hundred_pages_hold_few_pictures(
    page: Page, many_pages: Callable[[int], Path]
) -> None:
    page.route(OCR, lambda route: None)  # so that nothing else is drawn
    give(page, many_pages(300))
    expect(thumbnails(page)).to_have_count(300)
    pictures = page.locator("#strip img")
    expect(thumbnails(page).nth(0).locator("img")).to_be_visible()
    gaps = page.evaluate(
        """async () => {
            const strip = document.querySelector("#strip");
            const gaps = [];
            let last = performance.now();
            while (strip.scrollTop + strip.clientHeight < strip.scrollHeight - 1) {
                strip.scrollTop += 400;
                await new Promise(requestAnimationFrame);
                gaps.push(performance.now() - last);
                last = performance.now();
            }
            return gaps;
        }"""
    )
    assert len(gaps) > 80
    gaps.sort()
    assert gaps[len(gaps) * 9 // 10] < 150, "milliseconds between frames, on a busy machine"
    expect(thumbnails(page).nth(299).locator("img")).to_be_visible()
    expect(thumbnails(page).nth(0).locator("img")).to_have_count(0)
    assert pictures.count() < 40


def test_documents_are_removed(page: Page, samples: Path) -> None:
    give(page, samples / "line.png", samples / "small.png", samples / "form.png")
    expect(thumbnails(page, "read")).to_have_count(3)
    page.get_by_role("button", name="Remove small.png").click()
    dialog = page.get_by_role("dialog", name="Remove small.png from this browser?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(thumbnails(page)).to_have_count(3)
    page.get_by_role("button", name="Remove small.png").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(thumbnails(page)).to_have_count(2)
    page.reload()
    expect(page.locator("#strip h3")).to_have_text(["line.png", "form.png"])
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.locator("#start")).to_be_visible()
    kept = page.evaluate(
        """async () => {
            const { openStore } = await import("/page/store.js");
            return (await (await openStore()).documents()).length;
        }"""
    )
    assert kept == 0
    page.reload()
    expect(page.locator("#start")).to_be_visible()


def test_a_doubtful_page_does_not_look_finished(page: Page, samples: Path, tmp_path: Path) -> None:
    mirrored, blank = tmp_path / "mirrored.png", tmp_path / "blank.png"
    ImageOps.mirror(Image.open(samples / "paragraph.png")).save(mirrored)
    Image.new("L", (300, 200), 255).save(blank)
    dot = "getComputedStyle(document.querySelector('#finish'), '::before').backgroundColor"
    give(page, samples / "paragraph.png")
    expect_state(page, "read")
    green = page.evaluate(dot)
    give(page, mirrored)
    expect(page.locator("#page-title")).to_have_text("mirrored.png")
    expect_state(page, "doubtful")
    expect(page.locator("#finish")).to_contain_text("Doubtful")
    expect(page.locator("#advice")).to_contain_text("not sure of this text")
    assert page.evaluate(dot) != green
    give(page, blank)
    expect(page.locator("#advice")).to_contain_text("No text was found")
    assert page.evaluate(dot) != green
    expect(thumbnails(page, "doubtful")).to_have_count(2)
    expect(page.locator("#progress")).to_have_text("3 of 3 pages read")


def pdf_with_a_font_that_is_not_in_it() -> bytes:
    """A page of Chinese, as many offices make them: the reader has to know the font's encoding."""
    text = "合同编号".encode("utf-16-be").hex()
    content = f"BT /F 60 Tf 40 100 Td <{text}> Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 340 240] /Contents 4 0 R"
            b" /Resources << /Font << /F 5 0 R >> >> >>"
        ),
        b"<< /Length %d >> stream\n%s\nendstream" % (len(content), content),
        (
            b"<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H"
            b" /DescendantFonts [6 0 R] >>"
        ),
        (
            b"<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light /DW 1000"
            b" /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 2 >>"
            b" /FontDescriptor 7 0 R >>"
        ),
        (
            b"<< /Type /FontDescriptor /FontName /STSong-Light /Flags 6"
            b" /FontBBox [-25 -254 1000 880]"
            b" /ItalicAngle 0 /Ascent 880 /Descent -120 /CapHeight 880 /StemV 93 >>"
        ),
    ]
    body = b"%PDF-1.7\n"
    places = []
    for number, value in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, value)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF"
    return body + head + table + trailer % (len(objects) + 1, len(body))


def test_a_pdf_whose_chinese_font_is_not_in_it(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "office.pdf"
    path.write_bytes(pdf_with_a_font_that_is_not_in_it())
    with page.expect_request(OCR) as request:
        give(page, path)
    sent: Any = request.value.post_data_json
    page.wait_for_load_state()
    picture = tmp_path / "page.jpg"
    picture.write_bytes(base64.b64decode(sent["document"]["image_url"].partition(",")[2]))
    with Image.open(picture) as image:
        dark = image.convert("L").point(lambda value: value < 128)
        assert image.size == (944, 667)
        box = dark.getbbox()
    assert box is not None, "the page is empty"
    assert box[2] - box[0] > 500, "four characters, and not one"


@pytest.mark.parametrize(
    ("name", "content", "advice"),
    [
        ("notes.txt", b"Dear all,\n", "notes.txt is text already"),
        ("report.docx", b"PK\x03\x04 and so on", "save it as PDF"),
        ("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as PDF"),
        ("pages.zip", b"PK\x03\x04 and so on", "unpack it"),
        ("photo.heic", b"\0\0\0\x18ftypheic", "save it as JPEG"),
        ("empty.png", b"", "empty.png is empty"),
        ("half.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0", "it may be damaged"),
        ("broken.pdf", b"%PDF-1.7 and nothing else", "broken.pdf cannot be opened as a PDF"),
        ("broken.tif", b"II*\0 and nothing else", "The server refused this"),
    ],
)
def test_advice_that_fits(page: Page, name: str, content: bytes, advice: str) -> None:
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    page.set_input_files("#file-input", file)  # type: ignore[arg-type]  # its keys are right
    expect(page.get_by_role("alert")).to_contain_text(advice)
    expect(page.locator("#start")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#error")).to_be_hidden()


@pytest.fixture
def locked(samples: Path, tmp_path: Path) -> Path:
    """A PDF that "open sesame" opens."""
    path = tmp_path / "locked.pdf"
    with pikepdf.open(samples / "receipt.pdf") as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(owner="owner", user="open sesame"))
    return path


def test_a_pdf_with_a_password(page: Page, locked: Path) -> None:
    give(page, locked)
    dialog = page.get_by_role("dialog", name="locked.pdf has a password")
    expect(dialog.get_by_role("alert")).to_be_hidden()
    dialog.get_by_label("Password").fill("sesame")
    dialog.get_by_role("button", name="Open").click()
    expect(dialog.get_by_role("alert")).to_contain_text("does not open it")
    expect(dialog.get_by_label("Password")).to_have_value("")
    dialog.get_by_label("Password").fill("open sesame")
    dialog.get_by_label("Password").press("Enter")
    expect(dialog).to_be_hidden()
    expect_state(page, "read")
    # After a reload nobody knows the password anymore: the page asks again to show the picture.
    page.reload()
    dialog.get_by_label("Password").fill("open sesame")
    dialog.get_by_role("button", name="Open").click()
    expect(page.locator("#picture img, #picture canvas").first).to_be_visible()


def test_a_password_that_nobody_knows(page: Page, locked: Path, samples: Path) -> None:
    give(page, locked, samples / "line.png")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("locked.pdf was not opened")
    expect_state(page, "read")  # the other file


def test_one_bad_file_does_not_keep_others_out(page: Page, samples: Path, tmp_path: Path) -> None:
    bad = [tmp_path / f"{number}.txt" for number in range(7)]
    for path in bad:
        path.write_text("text")
    give(page, *bad, samples / "line.png")
    expect_state(page, "read")
    lines = page.get_by_role("alert").get_by_role("listitem")
    expect(lines).to_have_count(6)
    expect(lines.last).to_have_text("and 2 more files")


def test_what_is_no_file(page: Page) -> None:
    drop(page)
    expect(page.get_by_role("alert")).to_contain_text("There is no file")
