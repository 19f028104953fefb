"""PDFs: their pages as images, rendered in processes of their own."""
