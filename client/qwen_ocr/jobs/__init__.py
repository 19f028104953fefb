"""Batch jobs over files, under the commands `read` and `batch`.

inputs       which files an argument means
documents    a file as a row of pages, each opened when its turn comes
listing      every page once
reading      one page through the client
requests     pages as a file of requests, for `vllm run-batch`
answers      one page out of the answers to such a file
records      a page as a line of the output
journal      the output file: locked, appended to, mended after a crash
archive      what is written beside it: text files and searchable PDFs
run          all of it together
"""
