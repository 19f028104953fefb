"""The README's table of settings: `python -m qwen_ocr_serve.cli.settings_table` prints it."""

from qwen_ocr_serve.settings import ENV_PREFIX, SECRET_FIELDS, ServeSettings


def settings_table() -> str:
    """A Markdown table with one row for each setting of the server."""
    rows = ["| argument | variable | default | what |", "|---|---|---|---|"]
    for name, field in ServeSettings.model_fields.items():
        option = "–" if name in SECRET_FIELDS else f"`--{name.replace('_', '-')}`"
        default = "" if field.default in (None, "") else f"`{field.default}`"
        rows.append(
            f"| {option} | `{ENV_PREFIX}{name.upper()}` | {default} | {field.description} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    print(settings_table())
