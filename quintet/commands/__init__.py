"""One file for each command: its flags in `OPTIONS`, and `run(arguments)`, whose first line of documentation is its help."""
