"""HTML pages: templates, charts and embedded media."""
