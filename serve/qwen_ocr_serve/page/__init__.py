"""The web page at `/`: plain HTML, CSS and JavaScript, and the routes that it needs.

Nothing is imported here, so that the process that renders a PDF's page starts quickly.
"""
