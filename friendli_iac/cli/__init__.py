"""The command line: parse, call the engine, render, exit code. Nothing else.

Only click and our errors are imported at the top of these modules: `--version`, `--help` and shell
completion must not wait for pydantic, httpx or rich.
"""
