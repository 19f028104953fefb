"""A server for agents, by the Model Context Protocol, on top of the client.

root    the one folder whose files it reads
server  the tools
http    the tools over HTTP, with a key
"""
