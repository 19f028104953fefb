"""Makes vLLM's command line and environment of the settings and of what this machine has."""
