"""The whole command line: the client's commands, and the server's."""

from qwen_ocr_serve.cli.doctor import doctor_command
from qwen_ocr_serve.cli.models import models_command
from qwen_ocr_serve.cli.plan import plan_command
from qwen_ocr_serve.cli.serve import serve_command
from qwen_ocr_tools.cli import app

__all__ = ["app"]

_EXAMPLE = "--model Qwen/Qwen3-VL-8B-Instruct"

app.command("serve")(serve_command)
app.command("plan", epilog=f"Example: qwen-ocr plan {_EXAMPLE}")(plan_command)
app.command("models", epilog="Example: qwen-ocr models chandra")(models_command)
app.command("doctor", epilog=f"Example: qwen-ocr doctor {_EXAMPLE}")(doctor_command)
