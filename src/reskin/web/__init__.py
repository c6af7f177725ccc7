"""Pages that are served: studies for raters. Nothing but the command line imports this."""
