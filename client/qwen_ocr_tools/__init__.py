"""What is built on the client: the command line, batches of many pages, and evaluation."""
