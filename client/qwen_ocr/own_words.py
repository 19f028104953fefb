"""The prompts of OCR models, word for word: a model answers best what it was trained to be asked.

Each is quoted from its source, which is named above it.
"""

# datalab-to/chandra (Apache-2.0), chandra/prompts.py, as of version 2.
_CHANDRA_TAGS = (
    *("math", "br", "i", "b", "u", "del", "sup", "sub", "table", "tr", "td", "p", "th", "div"),
    *("pre", "h1", "h2", "h3", "h4", "h5", "ul", "ol", "li", "input", "a", "span", "img", "hr"),
    *("tbody", "small", "caption", "strong", "thead", "big", "code", "chem"),
)
_CHANDRA_ATTRIBUTES = (
    *("class", "colspan", "rowspan", "display", "checked", "type", "border", "value", "style"),
    *("href", "alt", "align", "data-bbox", "data-label"),
)
_CHANDRA_LABELS = (
    *("Caption", "Footnote", "Equation-Block", "List-Group", "Page-Header", "Page-Footer"),
    *("Image", "Section-Header", "Table", "Text", "Complex-Block", "Code-Block", "Form"),
    *("Table-Of-Contents", "Figure", "Chemical-Block", "Diagram", "Bibliography", "Blank-Page"),
)
CHANDRA_2 = (
    "OCR this image to HTML, arranged as layout blocks.  Each layout block should be a div with "
    "the data-bbox attribute representing the bounding box of the block in x0 y0 x1 y1 format.  "
    "Bboxes are normalized 0-1000. The data-label attribute is the label for the block.\n\n"
    "Use the following labels:\n"
    + "".join(f"- {label}\n" for label in _CHANDRA_LABELS)
    + f"\nOnly use these tags {list(_CHANDRA_TAGS)}, "
    f"and these attributes {list(_CHANDRA_ATTRIBUTES)}.\n\n"
    "Guidelines:\n"
    "* Inline math: Surround math with <math>...</math> tags. Math expressions should be rendered "
    "in KaTeX-compatible LaTeX. Use display for block math.\n"
    "* Tables: Use colspan and rowspan attributes to match table structure.\n"
    "* Formatting: Maintain consistent formatting with the image, including spacing, indentation, "
    "subscripts/superscripts, and special characters.\n"
    "* Images: Include a description of any images in the alt attribute of an <img> tag. Do not "
    "fill out the src property. Describe in detail inside the div tag. Also convert charts to high "
    "fidelity data, and convert diagrams to mermaid.\n"
    "* Forms: Mark checkboxes and radio buttons properly.\n"
    "* Text: join lines together properly into paragraphs using <p>...</p> tags.  Use <br> tags "
    "for line breaks within paragraphs, but only when absolutely necessary to maintain meaning.\n"
    "* Chemistry: Use <chem>...</chem> tags for chemical formulas with reactive SMILES.\n"
    "* Lists: Preserve indents and proper list markers.\n"
    "* Use the simplest possible HTML structure that accurately represents the content of the "
    "block.\n"
    "* Make sure the text is accurate and easy for a human to read and interpret.  Reading order "
    "should be correct and natural."
)

# allenai/olmocr (Apache-2.0), olmocr/prompts/prompts.py, build_no_anchoring_v4_yaml_prompt.
OLMOCR_2 = (
    "Attached is one page of a document that you must process. Just return the plain text "
    "representation of this document as if you were reading it naturally. Convert equations to "
    "LateX and tables to HTML.\n"
    "If there are any figures or charts, label them with the following markdown syntax "
    "![Alt text describing the contents of the figure](page_startx_starty_width_height.png)\n"
    "Return your output as markdown, with a front matter section on top specifying values for the "
    "primary_language, is_rotation_valid, rotation_correction, is_table, and is_diagram "
    "parameters."
)

# allenai/olmocr (Apache-2.0), olmocr/bench/runners/run_nanonetsocr_2.py, as Nanonets publish it.
NANONETS_2 = (
    "Extract the text from the above document as if you were reading it naturally. Return the "
    "tables in html format. Return the equations in LaTeX representation. If there is an image in "
    "the document and image caption is not present, add a small description of the image inside "
    "the <img></img> tag; otherwise, add the image caption inside <img></img>. Watermarks should "
    "be wrapped in brackets. Ex: <watermark>OFFICIAL COPY</watermark>. Page numbers should be "
    "wrapped in brackets. Ex: <page_number>14</page_number> or <page_number>9/22</page_number>. "
    "Prefer using ☐ and ☑ for check boxes."
)

# lightonai/LightOnOCR (Apache-2.0), README.md, "Modes".
LIGHTON_PLAIN = ""
LIGHTON_GROUNDING = "grounding"

# infly-ai/INF-MLLM (Apache-2.0), Infinity-Parser2/infinity_parser2/prompts.py, PROMPT_DOC2JSON.
INFINITY_2 = """
- Extract layout information from the provided PDF image.
- For each layout element, output its bbox, category, and the text content within the bbox.
- Bbox format: [x1, y1, x2, y2].
- Allowed layout categories: ['header', 'title', 'text', 'figure', 'table', 'formula', \
'figure_caption', 'table_caption', 'formula_caption', 'figure_footnote', 'table_footnote', \
'page_footnote', 'footer'].
- Text extraction and formatting:
  1) For 'figure', the text field must be an empty string.
  2) For 'formula', format text as LaTeX.
  3) For 'table', format text as HTML.
  4) For all other categories (e.g., text, title), format text as Markdown.
- The output text must be exactly the original text from the image, with no translation or \
rewriting.
- Sort all layout elements in human reading order.
- Final output must be a single JSON object.
"""

# rednote-hilab/dots.ocr (its own licence agreement), dots_ocr/utils/prompts.py; the signs of the
# image stand in the text, dots_ocr/model/inference.py, because vLLM would add a line break.
_DOTS_IMAGE = "<|img|><|imgpad|><|endofimg|>"
DOTS_TEXT = f"{_DOTS_IMAGE}Extract the text content from this image."
DOTS_LAYOUT = (
    f"{_DOTS_IMAGE}Please output the layout information from the PDF image, including each layout "
    "element's bbox, its category, and the corresponding text content within the bbox.\n\n"
    "1. Bbox format: [x1, y1, x2, y2]\n\n"
    "2. Layout Categories: The possible categories are ['Caption', 'Footnote', 'Formula', "
    "'List-item', 'Page-footer', 'Page-header', 'Picture', 'Section-header', 'Table', 'Text', "
    "'Title'].\n\n"
    "3. Text Extraction & Formatting Rules:\n"
    "    - Picture: For the 'Picture' category, the text field should be omitted.\n"
    "    - Formula: Format its text as LaTeX.\n"
    "    - Table: Format its text as HTML.\n"
    "    - All Others (Text, Title, etc.): Format their text as Markdown.\n\n"
    "4. Constraints:\n"
    "    - The output text must be the original text from the image, with no translation.\n"
    "    - All layout elements must be sorted according to human reading order.\n\n"
    "5. Final Output: The entire output must be a single JSON object.\n"
)
