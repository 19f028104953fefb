"""Batch jobs over files, under the commands `read` and `batch`.

inputs       which files an argument means
documents    a file as a row of pages, each opened when its turn comes
remote       files in an object store
listing      every file and every page once
reading      one page through the client
server       whether servers are ready
spread       a client of several servers
requests     pages as a file of requests, for `vllm run-batch`
answers      one page out of the answers to such a file
records      a page as a line of the output
journal      the output file: locked, appended to, mended after a crash
archive      what is written beside it: text files and searchable PDFs
parquet      the output file in another format
batch        what every batch does with its pages
ray_batch    pages of files that Ray's workers read
ray_worker   what such a worker does
run          all of it together
"""
