"""The studio: runs, jobs and training in a browser, on one's own machine."""
