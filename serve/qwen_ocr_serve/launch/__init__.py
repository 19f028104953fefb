"""From settings to vLLM's command line and environment, on what is installed and built in here."""
