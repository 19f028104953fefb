"""Documents: pages rendered and turned upright, their lines in reading order, read in pieces."""
