"""The documentation site: pages as they stand in the repository, and pages made from the code. `python -m website` builds "
"it."""
