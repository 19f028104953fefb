"""Documents as files: plain text, Markdown, JSON, hOCR, ALTO and searchable PDFs."""
