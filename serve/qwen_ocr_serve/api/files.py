"""`/v1/files`: documents sent once and named later, as OpenAI's and Mistral's SDKs do it."""

import asyncio
import atexit
import re
import shutil
import tempfile
import time
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from qwen_ocr_serve.documents.files import DocumentFile
from qwen_ocr_serve.documents.uploads import LIFETIME, Upload, UploadError, Uploads
from qwen_ocr_serve.http.errors import APIError
from qwen_ocr_serve.http.routes import DELETE, GET, POST, Route
from qwen_ocr_serve.settings import server_settings

ROUTES = (
    Route("/v1/files", GET | POST),
    Route("/v1/files/{file_id}", GET | DELETE),
    Route("/v1/files/{file_id}/url", GET),
    Route("/v1/files/{file_id}/content", GET, key=False),  # the signature in its query is the key
)
_SIGNED = re.compile(r"/v1/files/(file-[0-9a-f]{32})/content")
_MOST_HOURS = LIFETIME // 3600

router = APIRouter(tags=["Files"])


class File(BaseModel):
    """An upload, as OpenAI and Mistral describe one."""

    id: str
    object: str = "file"
    bytes: int
    size_bytes: int = Field(description="The same; Mistral's name for it.")
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    sample_type: str = "ocr_input"
    source: str = "upload"
    deleted: bool = False


class FileList(BaseModel):
    """Answer of `GET /v1/files`."""

    object: str = "list"
    data: list[File]
    total: int


class SignedURL(BaseModel):
    """Answer of `GET /v1/files/{id}/url`."""

    url: str


class Deleted(BaseModel):
    """Answer of `DELETE /v1/files/{id}`."""

    id: str
    object: str = "file"
    deleted: bool = True


@cache
def _uploads() -> Uploads:
    """The store; asked for in the event loop's thread alone, so that there is one."""
    settings = server_settings()
    folder = settings.upload_dir
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="qwen-ocr-uploads-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Uploads(folder, int(settings.max_uploads_mib * 2**20))


def _described(upload: Upload) -> File:
    return File(
        id=upload.id,
        bytes=upload.size,
        size_bytes=upload.size,
        created_at=upload.created,
        expires_at=upload.expires,
        filename=upload.filename,
        purpose=upload.purpose,
    )


def _missing(upload_id: str) -> APIError:
    message = f"there is no file {upload_id[:80]}: it was deleted, or is older than an hour"
    return APIError(HTTPStatus.NOT_FOUND.value, "file_not_found", message)


async def _find(request: Request, upload_id: str) -> Upload:
    owner = request.scope["key_name"]
    upload = await asyncio.to_thread(_uploads().find, upload_id, owner)
    if upload is None:
        raise _missing(upload_id)
    return upload


async def open_upload(request: Request, upload_id: str) -> DocumentFile:
    """An upload of this caller. Raises `APIError` if there is none of this id."""
    return await _open(await _find(request, upload_id))


async def open_signed(url: str) -> DocumentFile | None:
    """The upload that a URL of ours is for; None for any other URL.

    Whatever host it names, nothing is fetched: only this server can have signed it. Raises
    `APIError` if the upload is not there any more.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if not (match := _SIGNED.fullmatch(parts.path)) or "signature" not in query:
        return None
    return await _open(await _find_signed(match[1], query))


async def _find_signed(upload_id: str, query: dict[str, list[str]]) -> Upload:
    expires, signature = query.get("expires", [""])[0], query["signature"][0]
    if not expires.isdecimal() or len(expires) > 12:
        raise _missing(upload_id)
    upload = await asyncio.to_thread(_uploads().find_signed, upload_id, int(expires), signature)
    if upload is None:
        raise _missing(upload_id)
    return upload


async def _open(upload: Upload) -> DocumentFile:
    try:
        return await DocumentFile.of_path(_uploads().path(upload))
    except FileNotFoundError:
        raise _missing(upload.id) from None


@router.post("/v1/files", summary="Upload a document", response_model=File)
async def upload_file(request: Request) -> File:
    """Keep a document for an hour: a form with `file` and, if you like, `purpose`."""
    async with request.form(max_files=1, max_fields=8) as form:
        file, purpose = form.get("file"), form.get("purpose", "ocr")
        if not isinstance(file, UploadFile) or not isinstance(purpose, str):
            message = "send a form with a file: curl -F purpose=ocr -F file=@scan.pdf"
            raise APIError(HTTPStatus.BAD_REQUEST.value, "invalid_request", message, "file")
        data = await file.read()
        name = (file.filename or "document")[:255]
    if not data:
        raise APIError(HTTPStatus.BAD_REQUEST.value, "invalid_request", "the file is empty", "file")
    owner = request.scope["key_name"]
    try:
        upload = await asyncio.to_thread(_uploads().add, data, owner, name, purpose[:64])
    except UploadError as exc:
        message = f"{exc}: delete some, or wait until they are an hour old"
        raise APIError(HTTPStatus.SERVICE_UNAVAILABLE.value, "storage_full", message) from exc
    asyncio.get_running_loop().call_later(LIFETIME + 1, _uploads().remove_expired)
    return _described(upload)


@router.get("/v1/files", summary="List uploads", response_model=FileList)
async def list_files(request: Request) -> FileList:
    """Your uploads, the oldest first."""
    owner = request.scope["key_name"]
    found = await asyncio.to_thread(_uploads().list, owner)
    return FileList(data=[_described(upload) for upload in found], total=len(found))


@router.get("/v1/files/{file_id}", summary="Look up an upload", response_model=File)
async def describe_file(file_id: str, request: Request) -> File:
    """What is known about an upload."""
    return _described(await _find(request, file_id))


@router.get("/v1/files/{file_id}/url", summary="Get a URL for an upload", response_model=SignedURL)
async def sign_url(
    file_id: str,
    request: Request,
    expiry: Annotated[int, Query(ge=1, description="Hours; an upload lives for one.")] = 1,
) -> SignedURL:
    """A URL with which `/v1/ocr` reads the upload, and which needs no key."""
    upload = await _find(request, file_id)
    expires = min(int(time.time()) + min(expiry, _MOST_HOURS) * 3600, upload.expires)
    path = f"{str(request.base_url).rstrip('/')}/v1/files/{upload.id}/content"
    signature = _uploads().sign(upload, expires)
    return SignedURL(url=f"{path}?expires={expires}&signature={signature}")


@router.get(
    "/v1/files/{file_id}/content",
    summary="Download an upload",
    response_class=FileResponse,
    responses={
        HTTPStatus.FORBIDDEN.value: {"description": "The address is not signed, or too old."},
        HTTPStatus.NOT_FOUND.value: {"description": "There is no such upload."},
    },
)
async def download_file(file_id: str, request: Request) -> Response:
    """The upload itself, for a signed URL."""
    query: dict[str, Any] = parse_qs(request.url.query)
    if "signature" not in query:
        message = "the address is not signed: ask /v1/files/{id}/url for one that is"
        raise APIError(HTTPStatus.FORBIDDEN.value, "not_signed", message)
    upload = await _find_signed(file_id, query)
    return FileResponse(_uploads().path(upload), media_type="application/octet-stream")


@router.delete("/v1/files/{file_id}", summary="Delete an upload", response_model=Deleted)
async def delete_file(file_id: str, request: Request) -> Deleted:
    """Delete an upload."""
    upload = await _find(request, file_id)
    await asyncio.to_thread(_uploads().remove, upload)
    return Deleted(id=upload.id)
