"""The words of the command line, one module each.

A command has NAME, HELP (a line), DESCRIPTION (a paragraph), `add_arguments(parser)` and
`run(arguments, configured)`, which returns the exit status. What it needs beyond that it imports when it runs.
"""
