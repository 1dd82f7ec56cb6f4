"""The command line: parse, call the workflow, print. Answers go to stdout, progress and errors to stderr."""
