"""The routes, and what a request may hold before one of them works on it."""
