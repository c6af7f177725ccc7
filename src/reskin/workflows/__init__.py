"""Several steps in one call, resumable: `make`, `demo` and `stylize`."""
