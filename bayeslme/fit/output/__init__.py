"""Output of a fit: the summary, plots, and a page of HTML.

Each module collects the numbers; `bayeslme.report` does the layout.
"""
