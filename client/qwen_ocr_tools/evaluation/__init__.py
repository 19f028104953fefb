"""`qwen-ocr eval`: how well a server reads pages whose text is known."""
