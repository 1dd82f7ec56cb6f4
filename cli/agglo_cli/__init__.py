"""The command line: parse, call the workflow, print. Answers go to stdout, progress and errors to stderr."""

import os

os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for plugins takes longer than most commands
