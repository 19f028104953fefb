"""Facts of the models: family, flags for vLLM, and how much memory they need."""
